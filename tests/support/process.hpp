#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace gemel::test {

/// How a process ended.
struct ended {
  /// 128 plus the signal's number when a signal ended it.
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// A child process with its output and errors in pipes. What takes longer than 60 s fails.
class process {
public:
  /// Starts `words[0]` with the rest as its arguments.
  /// @param input its standard input.
  /// @param environment `NAME=VALUE` each, besides this process's own.
  explicit process(std::vector<std::string> words, const std::string& input = {},
                   const std::vector<std::string>& environment = {});
  /// Kills it if it still runs.
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  /// The next line of the output, without its line feed; what is left at the end.
  std::string read_line();
  /// Reads errors until `text` is among them; that they end before fails the test.
  void need_error(const std::string& text);
  void signal(int number) const;
  /// Reads what is left and waits for its end; `out` is without the lines that were read.
  ended finish();

private:
  bool read_some();

  pid_t id_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::chrono::steady_clock::time_point deadline_;
  ended what_;
};

/// Runs a program to its end.
ended run(std::vector<std::string> words, const std::string& input = {},
          const std::vector<std::string>& environment = {});

/// A file that is gone when the test is.
class temporary_file {
public:
  /// @param name how its name ends, such as `twins.jsonl`.
  temporary_file(const std::string& name, const std::string& content);
  ~temporary_file();
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

} // namespace gemel::test
