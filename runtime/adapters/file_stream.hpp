#pragma once

#include "messages/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Files piece by piece. Blocks: not for handlers of actors.
namespace gemel {

/// A file that is read from its beginning to its end.
class input_file {
public:
  /// @param path `-` is the standard input.
  /// @returns errc::io_failed with the path and the system's words.
  static result<input_file> open(const std::string& path);
  ~input_file();
  input_file(input_file&& other) noexcept;
  input_file(const input_file&) = delete;
  input_file& operator=(const input_file&) = delete;

  /// The next bytes, at most 256 KiB; they live until the next call. An empty text: nothing came
  /// within `wait` (of a pipe or terminal). Nothing: the end.
  result<std::optional<std::string_view>> read(std::chrono::milliseconds wait);

  /// Bytes of an ordinary file; nothing for all else, which cannot be read twice.
  std::optional<std::uint64_t> size() const noexcept { return size_; }

  /// The first bytes of an ordinary file, wherever it was read to.
  result<std::string> head(std::size_t bytes_max) const;

private:
  input_file(int handle, std::string path, std::optional<std::uint64_t> size);

  int handle_;
  std::string path_;
  std::optional<std::uint64_t> size_;
  std::vector<char> buffer_;
};

/// A file that is written from its beginning; what was there is gone.
class output_file {
public:
  /// @param append behind what is there.
  /// @returns errc::io_failed with the path and the system's words.
  static result<output_file> create(const std::string& path, bool append = false);
  ~output_file();
  output_file(output_file&& other) noexcept;
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;

  /// Writes now or later.
  result<void> write(std::string_view text);
  /// Writes what waits.
  result<void> flush();

private:
  output_file(int handle, std::string path) : handle_{handle}, path_{std::move(path)} {}

  int handle_;
  std::string path_;
  std::string held_;
};

/// Puts `text` in the place of the file at once: whoever reads it, also after a crash, finds the
/// old content or the new one whole.
result<void> replace_file(const std::string& path, std::string_view text);

/// Deletes a file; one that is not there is no error.
result<void> remove_file(const std::string& path);

} // namespace gemel
