#include "registry/symbols.hpp"

namespace gemel {

result<std::uint32_t> symbol_table::intern(std::string_view text) {
  if (auto known = find(text))
    return *known;
  std::unique_lock guard{mutex_};
  if (auto i = numbers_.find(text); i != numbers_.end())
    return i->second;
  if (texts_.size() >= count_max_)
    return fail(errc::limit_reached,
                std::to_string(count_max_) + " different names are in use already");
  auto number = static_cast<std::uint32_t>(texts_.size());
  numbers_.emplace(texts_.emplace_back(text), number);
  return number;
}

std::optional<std::uint32_t> symbol_table::find(std::string_view text) const {
  std::shared_lock guard{mutex_};
  auto i = numbers_.find(text);
  return i != numbers_.end() ? std::optional{i->second} : std::nullopt;
}

std::string_view symbol_table::text(std::uint32_t number) const {
  std::shared_lock guard{mutex_};
  GEMEL_CHECK(number < texts_.size());
  return texts_[number];
}

std::size_t symbol_table::size() const {
  std::shared_lock guard{mutex_};
  return texts_.size();
}

result<std::uint32_t> symbol_cache::intern(std::string_view text) {
  if (auto i = known_.find(text); i != known_.end())
    return i->second;
  auto number = shared_.intern(text);
  if (number)
    known_.emplace(shared_.text(*number), *number);
  return number;
}

std::optional<std::uint32_t> symbol_cache::find(std::string_view text) {
  if (auto i = known_.find(text); i != known_.end())
    return i->second;
  auto number = shared_.find(text);
  if (number)
    known_.emplace(shared_.text(*number), *number);
  return number;
}

void symbol_cache::learn(std::uint32_t number) {
  if (number >= texts_.size())
    texts_.resize(number + 1);
  texts_[number] = shared_.text(number);
}

} // namespace gemel
