#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gemel {

/// The files of a folder that end in .json, and the rules that were read from them.
class rule_folder {
public:
  /// @param path empty: there is none.
  explicit rule_folder(std::string path) : path_{std::move(path)} {}

  struct news {
    /// Files that are new or changed.
    std::vector<std::string> changed{};
    /// Rules whose files are gone.
    std::vector<std::string> gone{};
  };
  /// What is another than when it was last looked at. @returns errc::io_failed.
  result<news> look();

  bool empty() const noexcept { return path_.empty(); }
  const std::string& path() const noexcept { return path_; }
  /// The rule that was read from a file; empty: none.
  const std::string& rule_of(const std::string& file) { return files_[file].rule; }
  /// Notes that. Of a file that was never looked at it is read again.
  void hold(const std::string& file, std::string rule) { files_[file].rule = std::move(rule); }

private:
  struct file_state {
    std::uint64_t mark = 0; // changes with the file
    std::string rule{};
  };

  std::string path_;
  std::map<std::string, file_state> files_;
};

} // namespace gemel
