// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/spawned_process.hpp — another process: what it says, what is sent to it, how it ends.
//
// Idea       spawned_process p{{program, "argument"}};  p.line();  p.send(SIGINT);  p.end()
// Ownership  The end of its life kills what still runs.
// Threads    One.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

namespace downhaul_test {

class spawned_process {
 public:
  /// Starts with every signal at its default, and with `blocked`, unless 0, blocked.
  explicit spawned_process(const std::vector<std::string>& command, int blocked = 0) {
    start(command, blocked);
  }
  spawned_process(const spawned_process&) = delete;
  spawned_process& operator=(const spawned_process&) = delete;
  ~spawned_process() {
    if (pid_ > 0) {
      send(SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }

  void send(int signal) const { ::kill(pid_, signal); }
  /// The next line; "" at the end; "nothing came" after so many milliseconds.
  std::string line(int patience = 60'000) {
    for (;;) {
      if (const auto end = text_.find('\n'); end != std::string::npos) {
        std::string first = text_.substr(0, end);
        text_.erase(0, end + 1);
        return first;
      }
      pollfd readable{out_, POLLIN, 0};
      if (::poll(&readable, 1, patience) != 1) return "nothing came";
      char buffer[512];
      const ssize_t n = ::read(out_, buffer, sizeof buffer);
      if (n <= 0) return "";
      text_.append(buffer, static_cast<std::size_t>(n));
    }
  }
  /// All lines up to the end of the child.
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    for (std::string l = line(); !l.empty(); l = line()) {
      all.push_back(l);
      if (l == "nothing came") break;
    }
    return all;
  }
  /// Waits for its end: "exit 0", "signal 2".
  std::string end() {
    const int status = wait_for(0);
    pid_ = 0;
    return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                               : "exit " + std::to_string(WEXITSTATUS(status));
  }
  /// Waits until it is stopped by a signal, or has ended; whether it is stopped.
  bool stopped() { return WIFSTOPPED(wait_for(WUNTRACED)); }

 private:
  int wait_for(int options) const {
    int status = 0;
    while (::waitpid(pid_, &status, options) != pid_) {
    }
    return status;
  }
  void start(const std::vector<std::string>& command, int blocked) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    std::vector<char*> arguments;
    for (const std::string& a : command) arguments.push_back(const_cast<char*>(a.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
    // Whatever we were started with (a shell's background job ignores SIGINT), the child is not.
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t mask;
    ::sigemptyset(&mask);
    if (blocked != 0) ::sigaddset(&mask, blocked);
    ::posix_spawnattr_setsigmask(&attributes, &mask);
    sigset_t all;
    ::sigfillset(&all);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (::posix_spawn(&pid_, arguments[0], &files, &attributes, arguments.data(), environ) != 0) {
      std::abort();
    }
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(ends[1]);
    out_ = ends[0];
  }

  pid_t pid_ = 0;
  int out_ = -1;
  std::string text_;
};

}  // namespace downhaul_test
