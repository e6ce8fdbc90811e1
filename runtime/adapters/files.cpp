#include "runtime/adapters/files.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace gemel {

namespace {

struct file_closer {
  void operator()(std::FILE* file) const noexcept {
    if (file != stdin)
      std::fclose(file);
  }
};

using file_handle = std::unique_ptr<std::FILE, file_closer>;

constexpr std::size_t chunk_bytes = 65'536;

tl::unexpected<error> system_failure(const std::string& path, int number) {
  return fail(errc::io_failed, path + ": " + std::generic_category().message(number));
}

tl::unexpected<error> too_large(const std::string& what, std::size_t bytes_max) {
  return fail(errc::limit_reached, what + " has more than " + std::to_string(bytes_max) + " bytes");
}

// fopen opens directories without complaint; only reading them fails, on some systems.
result<file_handle> open(const std::string& path) {
  if (path == "-")
    return file_handle{stdin};
  file_handle file{std::fopen(path.c_str(), "rbe")};
  struct stat about {};
  if (!file || ::fstat(::fileno(file.get()), &about) != 0)
    return system_failure(path, errno);
  if (S_ISDIR(about.st_mode))
    return system_failure(path, EISDIR);
  return file;
}

// Calls `take` with every piece of the file until it answers false.
template <class Take>
result<void> read_chunks(const std::string& path, Take take) {
  auto file = open(path);
  if (!file)
    return tl::unexpected(file.error());
  std::array<char, chunk_bytes> chunk;
  for (;;) {
    errno = 0;
    auto size = std::fread(chunk.data(), 1, chunk.size(), file->get());
    if (size > 0 && !take(std::string_view{chunk.data(), size}))
      return {};
    if (size < chunk.size())
      break;
  }
  if (std::ferror(file->get()) != 0)
    return system_failure(path, errno == 0 ? EIO : errno);
  return {};
}

// Puts lines together from pieces of a file.
class line_splitter {
public:
  line_splitter(std::size_t line_bytes_max, const line_sink& sink)
      : line_bytes_max_(line_bytes_max), sink_(sink) {}

  bool take(std::string_view chunk) {
    for (auto end = chunk.find('\n'); end != std::string_view::npos; end = chunk.find('\n')) {
      if (!append(chunk.substr(0, end)) || !emit())
        return false;
      chunk.remove_prefix(end + 1);
    }
    return append(chunk);
  }

  // The last line, if it has no line feed.
  void finish() {
    if (!line_.empty() && !stopped_)
      emit();
  }

  bool too_long() const { return too_long_; }
  std::size_t number() const { return number_; }

private:
  bool append(std::string_view piece) {
    too_long_ = line_.size() + piece.size() > line_bytes_max_;
    stopped_ = stopped_ || too_long_;
    if (!too_long_)
      line_ += piece;
    return !too_long_;
  }

  bool emit() {
    stopped_ = !sink_(line_, number_++);
    line_.clear();
    return !stopped_;
  }

  std::size_t line_bytes_max_;
  const line_sink& sink_;
  std::string line_;
  std::size_t number_ = 1;
  bool too_long_ = false;
  bool stopped_ = false;
};

} // namespace

bool is_regular_file(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode);
}

result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  std::string text;
  auto fits = true;
  auto read = read_chunks(path, [&](std::string_view chunk) {
    fits = chunk.size() <= bytes_max - text.size();
    if (fits)
      text += chunk;
    return fits;
  });
  if (!read)
    return tl::unexpected(read.error());
  if (!fits)
    return too_large(path, bytes_max);
  return text;
}

result<void> read_lines(const std::string& path, std::size_t line_bytes_max,
                        const line_sink& sink) {
  line_splitter lines{line_bytes_max, sink};
  auto read = read_chunks(path, [&](std::string_view chunk) { return lines.take(chunk); });
  if (!read)
    return read;
  if (lines.too_long())
    return too_large(path + ":" + std::to_string(lines.number()), line_bytes_max);
  lines.finish();
  return {};
}

} // namespace gemel
