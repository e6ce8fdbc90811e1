#include "runtime/adapters/file_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace gemel {

namespace {

constexpr std::size_t piece_bytes = 256u << 10;
constexpr std::size_t held_bytes_max = 256u << 10;
constexpr int no_handle = -1;

tl::unexpected<error> system_failure(const std::string& path) {
  return fail(errc::io_failed, path + ": " + std::generic_category().message(errno));
}

void close(int handle) {
  if (handle > STDERR_FILENO)
    ::close(handle);
}

result<void> write_all(int handle, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    auto size = ::write(handle, text.data(), text.size());
    if (size < 0 && errno == EINTR)
      continue;
    if (size < 0)
      return system_failure(path);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

} // namespace

// ---- input ----------------------------------------------------------------------------------

input_file::input_file(int handle, std::string path, std::optional<std::uint64_t> size)
    : handle_{handle}, path_{std::move(path)}, size_{size}, buffer_(piece_bytes) {
}

input_file::input_file(input_file&& other) noexcept
    : handle_{std::exchange(other.handle_, no_handle)}, path_{std::move(other.path_)},
      size_{other.size_}, buffer_{std::move(other.buffer_)} {
}

input_file::~input_file() {
  close(handle_);
}

result<input_file> input_file::open(const std::string& path) {
  if (path == "-")
    return input_file{STDIN_FILENO, "standard input", std::nullopt};
  auto handle = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (handle < 0)
    return system_failure(path);
  struct stat about {};
  std::optional<std::uint64_t> size;
  if (::fstat(handle, &about) == 0 && S_ISREG(about.st_mode))
    size = static_cast<std::uint64_t>(about.st_size);
  input_file made{handle, path, size};
  if (S_ISDIR(about.st_mode)) {
    errno = EISDIR;
    return system_failure(path);
  }
  return made;
}

result<std::optional<std::string_view>> input_file::read(std::chrono::milliseconds wait) {
  if (!size_) {
    pollfd waiting{handle_, POLLIN, 0};
    auto ready = ::poll(&waiting, 1, static_cast<int>(wait.count()));
    if (ready == 0 || (ready < 0 && errno == EINTR))
      return std::string_view{};
    if (ready < 0)
      return system_failure(path_);
  }
  for (;;) {
    auto size = ::read(handle_, buffer_.data(), buffer_.size());
    if (size > 0)
      return std::string_view{buffer_.data(), static_cast<std::size_t>(size)};
    if (size == 0)
      return std::nullopt;
    if (errno != EINTR)
      return system_failure(path_);
  }
}

result<std::string> input_file::head(std::size_t bytes_max) const {
  std::string made(static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, size_.value_or(0))),
                   '\0');
  std::size_t got = 0;
  while (got < made.size()) {
    auto size = ::pread(handle_, made.data() + got, made.size() - got, static_cast<off_t>(got));
    if (size < 0 && errno == EINTR)
      continue;
    if (size < 0)
      return system_failure(path_);
    if (size == 0)
      break;
    got += static_cast<std::size_t>(size);
  }
  made.resize(got);
  return made;
}

// ---- output ---------------------------------------------------------------------------------

output_file::output_file(output_file&& other) noexcept
    : handle_{std::exchange(other.handle_, no_handle)}, path_{std::move(other.path_)},
      held_{std::exchange(other.held_, {})} {
}

output_file::~output_file() {
  if (handle_ != no_handle)
    static_cast<void>(flush());
  close(handle_);
}

result<output_file> output_file::create(const std::string& path, bool append) {
  constexpr mode_t readable = 0666;
  auto handle = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC),
                       readable);
  if (handle < 0)
    return system_failure(path);
  return output_file{handle, path};
}

result<void> output_file::write(std::string_view text) {
  held_ += text;
  return held_.size() < held_bytes_max ? result<void>{} : flush();
}

result<void> output_file::flush() {
  auto held = std::exchange(held_, {});
  return write_all(handle_, path_, held);
}

result<void> replace_file(const std::string& path, std::string_view text) {
  auto next = path + ".new";
  constexpr mode_t readable = 0666;
  auto handle = ::open(next.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC, readable);
  if (handle < 0)
    return system_failure(next);
  auto written = write_all(handle, next, text);
  // Before the rename, or a crash of the machine could leave an empty file in its place.
  if (written && ::fdatasync(handle) != 0)
    written = system_failure(next);
  close(handle);
  if (written && ::rename(next.c_str(), path.c_str()) != 0)
    written = system_failure(path);
  return written;
}

result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return system_failure(path);
  return {};
}

} // namespace gemel
