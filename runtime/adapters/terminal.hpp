#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <mutex>
#include <string_view>

namespace gemel {

/// The standard streams of this process, for programs that people and pipes read. Any thread may
/// write; each call comes out whole. A reader that went away (`| head`) ends the process without a
/// word, with exit code 141, as SIGPIPE does.
class terminal {
public:
  terminal();
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;

  /// Writes to the standard output; to a terminal at once, else when `flush` is called or 64 KiB
  /// wait. What fails is told by the next `flush`.
  void out(std::string_view text);
  /// Writes to the standard error at once, after what waits for the standard output.
  void err(std::string_view text);
  /// @returns errc::io_failed with the system's words if anything could not be written.
  result<void> flush();

  /// Columns to use: of the environment's COLUMNS, else of the terminal that the standard output
  /// is. 0: it is none, and nothing needs to fit.
  std::size_t width() const;
  bool out_is_terminal() const noexcept { return out_is_terminal_; }
  /// Whether a person can answer.
  bool in_is_terminal() const noexcept { return in_is_terminal_; }
  bool err_is_terminal() const noexcept { return err_is_terminal_; }
  /// Whether the locale of the environment is one of UTF-8.
  bool is_utf8() const noexcept { return is_utf8_; }

private:
  void note_failure();

  std::mutex mutex_;
  bool in_is_terminal_;
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool is_utf8_;
  int failure_ = 0; // errno of the first write that failed
};

} // namespace gemel
