#include "runtime/adapters/rule_folder.hpp"

#include <filesystem>
#include <system_error>

namespace gemel {

namespace {

// By path, a number that changes with the file.
std::map<std::string, std::uint64_t> rule_files(const std::string& folder, std::error_code& why) {
  std::map<std::string, std::uint64_t> found;
  for (std::filesystem::directory_iterator at{folder, why}, end; !why && at != end;
       at.increment(why)) {
    std::error_code unread;
    auto time = at->last_write_time(unread).time_since_epoch().count();
    auto bytes = at->is_regular_file(unread) ? at->file_size(unread) : 0;
    if (at->path().extension() == ".json" && !unread && at->is_regular_file(unread))
      found[at->path().string()] = static_cast<std::uint64_t>(time) * 31 + bytes;
  }
  return found;
}

} // namespace

result<rule_folder::news> rule_folder::look() {
  news made;
  if (path_.empty())
    return made;
  std::error_code why;
  auto found = rule_files(path_, why);
  if (why)
    return fail(errc::io_failed, path_ + ": cannot be listed: " + why.message());
  for (auto at = files_.begin(); at != files_.end();) {
    if (found.contains(at->first)) {
      ++at;
      continue;
    }
    if (!at->second.rule.empty())
      made.gone.push_back(std::move(at->second.rule));
    at = files_.erase(at);
  }
  for (const auto& [path, mark] : found) {
    auto [known, is_new] = files_.try_emplace(path);
    if (std::exchange(known->second.mark, mark) != mark || is_new)
      made.changed.push_back(path);
  }
  return made;
}

} // namespace gemel
