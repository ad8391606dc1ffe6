// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The program that the tests of signals send signals to. Each argument is one thing to do, in order:
// a word and then names of signals or numbers. It reports by lines on stdout.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/time.hpp"

namespace {

namespace dh = downhaul;

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

[[noreturn]] void wait_for_death() {
  for (;;) ::pause();
}

int number_of(const std::string& name) {
  static const std::map<std::string, int> names{
      {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
      {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"TERM", SIGTERM},
      {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"WINCH", SIGWINCH},
  };
  const auto found = names.find(name);
  return found != names.end() ? found->second : std::stoi(name);
}

// The calls take lists: of up to four.
template <class F>
auto with_list(const std::vector<int>& n, F f) {
  switch (n.size()) {
    case 0: return f({});
    case 1: return f({n[0]});
    case 2: return f({n[0], n[1]});
    case 3: return f({n[0], n[1], n[2]});
    case 4: return f({n[0], n[1], n[2], n[3]});
    default: std::abort();
  }
}

// What the kernel does for a signal, past any sanitizer: the handler is the first word.
std::uintptr_t action_in_force(int signal) {
  std::uintptr_t action[16] = {};
  constexpr std::size_t mask_bytes = 8;
  ::syscall(SYS_rt_sigaction, signal, nullptr, action, mask_bytes);
  return action[0];
}

class interpreter {
 public:
  // False: there is no such word.
  bool run(const std::string& line, char** rest);

 private:
  using numbers = const std::vector<int>&;

  dh::signal_channel& channel(numbers n) {
    return channels_.at(n.empty() ? 0 : static_cast<std::size_t>(n[0]));
  }
  void listen(numbers n) {
    with_list(n, [this](std::initializer_list<int> s) { channels_.emplace_back(s); });
  }
  void receive(numbers n) {
    const std::optional<int> signal = channel(n).recv();
    say(signal ? "received " + dh::signal_name(*signal) : "closed");
  }
  void try_receive(numbers n) {
    const std::optional<int> signal = channel(n).try_recv();
    say(signal ? "received " + dh::signal_name(*signal) : "nothing");
  }
  void notify(numbers n) {
    with_list(n, [this](std::initializer_list<int> s) {
      watched_.emplace(dh::notify_context(dh::background(), s));
    });
  }
  void end_of_context() {
    watched_->ctx.done().recv();
    say(watched_->ctx.reason());
  }

  std::deque<dh::signal_channel> channels_;
  std::optional<dh::cancelable> watched_;
};

// Signals that some function handles, but for those that the C library keeps for itself.
void say_handled() {
  std::string line = "handled:";
  for (int s = 1; s <= 64; ++s) {
    if (s >= 32 && s < SIGRTMIN) continue;
    const std::uintptr_t a = action_in_force(s);
    const bool function = a != reinterpret_cast<std::uintptr_t>(SIG_DFL) &&
                          a != reinterpret_cast<std::uintptr_t>(SIG_IGN);
    if (function) line += ' ' + std::to_string(s);
  }
  say(line);
}

bool is_pending(int signal) {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, signal) != 0;
}

bool is_blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return ::sigismember(&mask, signal) != 0;
}

// Everything of the library but signals.
void use_the_library() {
  dh::run([] {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), std::chrono::hours{1});
    auto ch = dh::make_chan<int>();
    dh::go([ch] { ch.send(1); });
    dh::ticker beat{std::chrono::milliseconds{1}};
    beat.chan().recv();
    dh::select(dh::recv(ch), dh::recv(ctx.done()));
    cancel();
  });
}

void write_to_nobody() {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  ::close(ends[0]);
  const char byte = 0;
  const ssize_t n = ::write(ends[1], &byte, 1);
  say(n < 0 && errno == EPIPE ? "EPIPE" : "written");
  ::close(ends[1]);
}

void end_a_child() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  while (::waitpid(child, nullptr, 0) != child) {
  }
}

// Ten times: a SIGINT while somebody stops listening. Each is received, or kills.
void race_with_stop() {
  for (int i = 0; i < 10; ++i) {
    dh::signal_channel c{SIGINT};
    std::thread stopper{[&] { c.stop(); }};
    ::kill(::getpid(), SIGINT);
    stopper.join();
    if (!c.try_recv()) {
      say("lost");
      return;
    }
  }
  say("all received");
}

// The same with one from outside, which comes after "go".
void race_with_stop_from_outside() {
  for (int i = 0; i < 10; ++i) {
    dh::signal_channel c{SIGINT};
    say("go");
    for (int spin = 0; spin < i * 50; ++spin) static_cast<void>(::getppid());
    c.stop();
    if (!c.try_recv()) {
      say("not received");
      wait_for_death();
    }
    say("received");
  }
}

// "All goroutines are asleep", if nothing can come.
void wait_in_main() {
  dh::run([] { dh::make_chan<void>().recv(); });
}

// Sends USR1 until it is killed.
[[noreturn]] void hammer(int process) {
  say("hammering");
  for (;;) {
    ::kill(process, SIGUSR1);
    std::this_thread::yield();  // it is to be a race, not a siege
  }
}

// The rest in a new image of this program, which ignores or blocks signals from the start.
void exec_rest(char** rest) {
  std::string self = "/proc/self/exe";
  std::vector<char*> arguments{self.data()};
  for (; *rest != nullptr; ++rest) arguments.push_back(*rest);
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
  std::abort();
}
void start_ignoring(const std::vector<int>& n, char** rest) {
  for (const int s : n) ::signal(s, SIG_IGN);
  exec_rest(rest);
}
void start_blocking(const std::vector<int>& n, char** rest) {
  sigset_t blocked;
  ::sigemptyset(&blocked);
  for (const int s : n) ::sigaddset(&blocked, s);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  exec_rest(rest);
}

bool interpreter::run(const std::string& line, char** rest) {
  std::istringstream words{line};
  std::string verb;
  std::vector<int> n;
  words >> verb;
  if (verb == "say") {
    say(line.substr(line.find(' ') + 1));
    return true;
  }
  for (std::string name; words >> name;) n.push_back(number_of(name));
  const std::map<std::string, std::function<void()>> verbs{
      {"listen", [&] { listen(n); }},
      {"add", [&] { channels_.at(0).add({n[0]}); }},
      {"recv", [&] { receive(n); }},
      {"try_recv", [&] { try_receive(n); }},
      {"stop", [&] { channel(n).stop(); }},
      {"reset", [&] { with_list(n, [](std::initializer_list<int> s) { dh::reset(s); }); }},
      {"ignore", [&] { with_list(n, [](std::initializer_list<int> s) { dh::ignore(s); }); }},
      {"ignored", [&] { say(dh::ignored(n[0]) ? "ignored" : "not ignored"); }},
      {"raise", [&] { ::raise(n[0]); }},
      {"kill_me", [&] { ::kill(::getpid(), n[0]); }},
      {"pending", [&] { say(is_pending(n[0]) ? "pending" : "not pending"); }},
      {"blocked", [&] { say(is_blocked(n[0]) ? "blocked" : "not blocked"); }},
      {"notify", [&] { notify(n); }},
      {"done", [&] { end_of_context(); }},
      {"cancel", [&] { watched_->cancel(); }},
      {"handled", say_handled},
      {"use_the_library", use_the_library},
      {"write_to_nobody", write_to_nobody},
      {"end_a_child", end_a_child},
      {"race_with_stop", race_with_stop},
      {"race_with_stop_from_outside", race_with_stop_from_outside},
      {"wait_in_main", wait_in_main},
      {"recv_in_main", [&] { dh::run([&] { receive(n); }); }},
      {"hammer", [&] { hammer(n[0]); }},
      {"wait_for_death", wait_for_death},
      {"start_ignoring", [&] { start_ignoring(n, rest); }},
      {"start_blocking", [&] { start_blocking(n, rest); }},
  };
  const auto found = verbs.find(verb);
  if (found == verbs.end()) return false;
  found->second();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  interpreter i;
  for (int n = 1; n < argc; ++n) {
    if (!i.run(argv[n], argv + n + 1)) return 2;
  }
}
