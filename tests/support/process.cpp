#include "tests/support/process.hpp"

#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace gemel::test {

namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> made;
  made.reserve(words.size() + 1);
  for (auto& word : words)
    made.push_back(word.data());
  made.push_back(nullptr);
  return made;
}

std::vector<std::string> whole_environment(const std::vector<std::string>& more) {
  auto made = more; // of two entries of one name, the first counts
  for (char** one = environ; *one != nullptr; ++one)
    made.emplace_back(*one);
  return made;
}

// A file that holds `input` and has no name any more.
int file_of(const std::string& input) {
  auto* file = std::tmpfile();
  REQUIRE(file != nullptr);
  REQUIRE(std::fwrite(input.data(), 1, input.size(), file) == input.size());
  std::rewind(file);
  int copy = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
  std::fclose(file);
  return copy;
}

} // namespace

process::process(std::vector<std::string> words, const std::string& input,
                 const std::vector<std::string>& environment)
    : deadline_{std::chrono::steady_clock::now() + std::chrono::seconds{60}} {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  REQUIRE(pipe2(out.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(err.data(), O_CLOEXEC) == 0);
  int in = file_of(input);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  auto all = whole_environment(environment);
  int failed = posix_spawnp(&id_, words.at(0).c_str(), &actions, nullptr, pointers(words).data(),
                            pointers(all).data());
  posix_spawn_file_actions_destroy(&actions);
  for (int unused : {in, out[1], err[1]})
    close(unused);
  out_ = out[0];
  err_ = err[0];
  REQUIRE(failed == 0);
}

process::~process() {
  if (id_ > 0) {
    kill(id_, SIGKILL);
    waitpid(id_, nullptr, 0);
  }
  for (int open : {out_, err_})
    if (open >= 0)
      close(open);
}

// Waits for output or errors; false: both have ended.
bool process::read_some() {
  std::array<pollfd, 2> ends{{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
  if (out_ < 0 && err_ < 0)
    return false;
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline_ - std::chrono::steady_clock::now());
  INFO("out: " << what_.out << "\nerr: " << what_.err);
  REQUIRE(poll(ends.data(), ends.size(), std::max(0, static_cast<int>(left.count()))) > 0);
  std::array<char, 4'096> some;
  for (auto* end : {&out_, &err_}) {
    if (ends[end == &out_ ? 0 : 1].revents == 0)
      continue;
    auto count = read(*end, some.data(), some.size());
    if (count > 0)
      (end == &out_ ? what_.out : what_.err).append(some.data(), static_cast<std::size_t>(count));
    else
      close(std::exchange(*end, -1));
  }
  return true;
}

std::string process::read_line() {
  while (what_.out.find('\n') == std::string::npos && read_some()) {
  }
  auto end = what_.out.find('\n');
  auto line = what_.out.substr(0, end);
  what_.out.erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

void process::need_error(const std::string& text) {
  while (what_.err.find(text) == std::string::npos && read_some()) {
  }
  INFO("out: " << what_.out << "\nerr: " << what_.err);
  REQUIRE(what_.err.find(text) != std::string::npos);
}

void process::signal(int number) const {
  REQUIRE(kill(id_, number) == 0);
}

ended process::finish() {
  while (read_some()) {
  }
  int status = 0;
  REQUIRE(waitpid(std::exchange(id_, -1), &status, 0) > 0);
  what_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return what_;
}

ended run(std::vector<std::string> words, const std::string& input,
          const std::vector<std::string>& environment) {
  return process{std::move(words), input, environment}.finish();
}

temporary_file::temporary_file(const std::string& name, const std::string& content) {
  static std::atomic<int> number{0};
  path_ =
      (std::filesystem::temp_directory_path()
       / ("gemel-test-" + std::to_string(getpid()) + "-" + std::to_string(++number) + "-" + name))
          .string();
  std::ofstream{path_} << content;
}

temporary_file::~temporary_file() {
  std::filesystem::remove(path_);
}

} // namespace gemel::test
