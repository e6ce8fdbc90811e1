#include "actors/sync/news_list.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

void news_list::note(std::string_view twin, std::string_view key) {
  auto found = noted_.find(twin);
  if (found == noted_.end()) {
    found = noted_.emplace(twin, keys{}).first;
    queue_.emplace_back(twin);
  }
  auto& noted = found->second;
  if (std::find(noted.begin(), noted.end(), key) == noted.end())
    noted.emplace_back(key);
}

std::vector<std::string> news_list::next(std::size_t count) {
  std::vector<std::string> made;
  for (; made.size() < count && !queue_.empty(); queue_.pop_front())
    if (noted_.contains(queue_.front()))
      made.push_back(std::move(queue_.front()));
  return made;
}

std::optional<news_list::keys> news_list::take(std::string_view twin) {
  auto found = noted_.find(twin);
  if (found == noted_.end())
    return std::nullopt;
  auto made = std::move(found->second);
  noted_.erase(found);
  return made;
}

const news_list::keys* news_list::find(std::string_view twin) const {
  auto found = noted_.find(twin);
  return found != noted_.end() ? &found->second : nullptr;
}

} // namespace gemel
