// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include "alive.hpp"

namespace tour {

namespace {

using clock = std::chrono::steady_clock;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error{error, std::generic_category(), what};
}

struct pipe_ends {
  int in = -1, out = -1;
  pipe_ends() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail(errno, "pipe");
    in = ends[0], out = ends[1];
  }
  ~pipe_ends() { ::close(in), close_out(); }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  void close_out() {
    if (out >= 0) ::close(out);
    out = -1;
  }
};

int start(std::vector<std::string> words, const pipe_ends& output, const pipe_ends& report) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output.out, 1);
  posix_spawn_file_actions_adddup2(&files, output.out, 2);
  posix_spawn_file_actions_adddup2(&files, report.out, alive_descriptor);

  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int pid = 0;
  const int error = ::posix_spawn(&pid, argv.front(), &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) fail(error, words.front());
  return pid;
}

int exit_status(int pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Appends what can be read now; false at the end of the stream.
bool read_some(int from, std::string& to) {
  char chunk[4096];
  const ssize_t n = ::read(from, chunk, sizeof chunk);
  if (n > 0) to.append(chunk, static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && errno == EINTR);
}

}  // namespace

result run(const std::filesystem::path& program, const std::vector<std::string>& arguments,
           std::chrono::seconds limit,
           const std::function<void(int, const std::string&)>& on_line) {
  result r;
  pipe_ends output, report;
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const auto begun = clock::now();
  const int pid = start(std::move(words), output, report);
  output.close_out();
  report.close_out();

  std::string rest;
  for (bool open = true; open;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(begun + limit - clock::now());
    pollfd ready{output.in, POLLIN, 0};
    if (!r.timed_out &&
        ::poll(&ready, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0) == 0) {
      r.timed_out = true;
      ::kill(pid, SIGKILL);
    }
    open = read_some(output.in, rest);
    if (!open && !rest.empty() && rest.back() != '\n') rest += '\n';
    for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.erase(0, end + 1)) {
      r.lines.push_back(rest.substr(0, rest.find_last_not_of(" \n", end) + 1));
      on_line(pid, r.lines.back());
    }
  }
  r.status = exit_status(pid);
  r.took = clock::now() - begun;

  std::string counts;
  while (read_some(report.in, counts)) continue;
  std::istringstream{counts} >> r.goroutines >> r.contexts;
  return r;
}

void interrupt_from_outside(int pid) {
  const std::string number = std::to_string(pid);
  const char* argv[] = {"/bin/sh", "-c", "kill -INT \"$0\"", number.c_str(), nullptr};
  int shell = 0;
  const int error =
      ::posix_spawn(&shell, argv[0], nullptr, nullptr, const_cast<char**>(argv), environ);
  if (error != 0) fail(error, argv[0]);
  exit_status(shell);
}

}  // namespace tour
