#include "runtime/adapters/files.hpp"
#include "tests/support/catch.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace gemel;

namespace {

// A folder of its own, gone with the object.
class scratch_folder {
public:
  scratch_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "gemel-files-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() { std::filesystem::remove_all(path_); }

  std::string path() const { return path_; }

  std::string file(const std::string& content) const {
    auto path = path_ + "/file";
    std::ofstream{path, std::ios::binary} << content;
    return path;
  }

private:
  std::string path_;
};

std::vector<std::string> lines_of(const std::string& path, std::size_t bytes_max = 100) {
  std::vector<std::string> lines;
  auto read = read_lines(path, bytes_max, [&](std::string_view line, std::size_t number) {
    CHECK(number == lines.size() + 1);
    lines.emplace_back(line);
    return true;
  });
  CHECK(read.has_value());
  return lines;
}

} // namespace

TEST_CASE("read_file gives all bytes up to the bound", "[unit][runtime]") {
  scratch_folder folder;
  std::string content("a\0b\n", 4);
  CHECK(read_file(folder.file(content), 4) == content);
  CHECK(read_file(folder.file(""), 0) == std::string{});
  std::string large(200'000, 'x');
  CHECK(read_file(folder.file(large), large.size()) == large);
  auto refused = read_file(folder.file(large), large.size() - 1);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::limit_reached);
  CHECK(refused.error().context == folder.path() + "/file has more than 199999 bytes");
}

TEST_CASE("read_file says in the system's words why a file cannot be read", "[unit][runtime]") {
  scratch_folder folder;
  auto missing = read_file(folder.path() + "/none", 10);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == errc::io_failed);
  CHECK(missing.error().context == folder.path() + "/none: No such file or directory");
  auto directory = read_file(folder.path(), 10);
  REQUIRE_FALSE(directory.has_value());
  CHECK(directory.error().code == errc::io_failed);
  CHECK(directory.error().context == folder.path() + ": Is a directory");
}

TEST_CASE("read_lines hands out every line, the last one without a line feed too",
          "[unit][runtime]") {
  scratch_folder folder;
  CHECK(lines_of(folder.file("")).empty());
  CHECK(lines_of(folder.file("a\n\nb")) == std::vector<std::string>{"a", "", "b"});
  CHECK(lines_of(folder.file("a\n")) == std::vector<std::string>{"a"});
  // Lines across the pieces in which the file is read.
  std::string content;
  for (auto i = 0; i < 3'000; ++i)
    content += std::string(97, static_cast<char>('a' + i % 26)) + "\n";
  auto lines = lines_of(folder.file(content));
  REQUIRE(lines.size() == 3'000);
  for (std::size_t i = 0; i < lines.size(); ++i)
    REQUIRE(lines[i] == std::string(97, static_cast<char>('a' + i % 26)));
}

TEST_CASE("read_lines stops at a line that is too long, and when told", "[unit][runtime]") {
  scratch_folder folder;
  auto path = folder.file("abc\nabcd\nabc\n");
  std::size_t taken = 0;
  auto refused = read_lines(path, 3, [&](auto, auto) { return ++taken > 0; });
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::limit_reached);
  CHECK(refused.error().context == path + ":2 has more than 3 bytes");
  CHECK(taken == 1);
  taken = 0;
  CHECK(read_lines(path, 100, [&](auto, auto) { return ++taken < 2; }).has_value());
  CHECK(taken == 2);
  auto last = folder.file("a\nabcd");
  CHECK_FALSE(read_lines(last, 3, [](auto, auto) { return true; }).has_value());
}
