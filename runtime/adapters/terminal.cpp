#include "runtime/adapters/terminal.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace gemel {

namespace {

constexpr int broken_pipe_exit = 141; // 128 + SIGPIPE
constexpr std::size_t buffer_bytes = 65'536;

bool locale_is_utf8() {
  if (std::setlocale(LC_CTYPE, "") == nullptr)
    return false;
  return std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

std::size_t columns_of_environment() {
  const auto* text = std::getenv("COLUMNS");
  if (text == nullptr)
    return 0;
  std::size_t columns = 0;
  const auto* end = text + std::strlen(text);
  auto [stop, failed] = std::from_chars(text, end, columns);
  return failed == std::errc{} && stop == end ? columns : 0;
}

} // namespace

terminal::terminal()
    : in_is_terminal_{::isatty(STDIN_FILENO) == 1}, out_is_terminal_{::isatty(STDOUT_FILENO) == 1},
      err_is_terminal_{::isatty(STDERR_FILENO) == 1}, is_utf8_{locale_is_utf8()} {
  static_cast<void>(
      std::setvbuf(stdout, nullptr, out_is_terminal_ ? _IOLBF : _IOFBF, buffer_bytes));
}

void terminal::note_failure() {
  auto why = errno;
  if (why == EPIPE)
    ::_exit(broken_pipe_exit);
  if (failure_ == 0)
    failure_ = why == 0 ? EIO : why;
  std::clearerr(stdout);
}

void terminal::out(std::string_view text) {
  std::lock_guard guard{mutex_};
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    note_failure();
}

void terminal::err(std::string_view text) {
  std::lock_guard guard{mutex_};
  errno = 0;
  if (std::fflush(stdout) != 0)
    note_failure();
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

result<void> terminal::flush() {
  std::lock_guard guard{mutex_};
  errno = 0;
  if (std::fflush(stdout) != 0)
    note_failure();
  if (failure_ != 0)
    return fail(errc::io_failed, "cannot write to the standard output: "
                                     + std::generic_category().message(failure_));
  return {};
}

std::size_t terminal::width() const {
  if (auto columns = columns_of_environment(); columns != 0 && out_is_terminal_)
    return columns;
  winsize size{};
  if (!out_is_terminal_ || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
    return 0;
  return size.ws_col;
}

} // namespace gemel
