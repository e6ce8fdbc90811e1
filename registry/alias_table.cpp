#include "registry/alias_table.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <functional>
#include <mutex>
#include <shared_mutex>

namespace gemel {

struct alignas(64) alias_table::shard {
  mutable std::shared_mutex mutex;
  // By property and value, see `name_of`: the holder.
  boost::unordered_flat_map<std::string, std::string> holders;
};

namespace {

// A key holds no control character, so the two never run into each other.
std::string name_of(std::string_view property, const value& content) {
  std::string name{property};
  if (content.is_integer())
    return name.append("\x01").append(std::to_string(content.as_integer()));
  return name.append("\x02").append(content.as_text());
}

} // namespace

alias_table::alias_table() : shards_{std::make_unique<shard[]>(shard_count)} {
}

alias_table::~alias_table() = default;

alias_table::shard& alias_table::shard_of(const std::string& name) const {
  return shards_[std::hash<std::string>{}(name) % shard_count];
}

result<void> alias_table::claim(std::string_view property, const value& content,
                                std::string_view id) {
  if (!names_a_twin(content))
    return {};
  auto name = name_of(property, content);
  auto& where = shard_of(name);
  std::unique_lock guard{where.mutex};
  auto [i, fresh] = where.holders.try_emplace(std::move(name), id);
  if (fresh || i->second == id)
    return {};
  auto holder = i->second;
  guard.unlock();
  return fail(errc::alias_taken,
              std::string{property} + " " + to_json(content) + " is that of twin " + holder);
}

void alias_table::release(std::string_view property, const value& content, std::string_view id) {
  if (!names_a_twin(content))
    return;
  auto name = name_of(property, content);
  auto& where = shard_of(name);
  std::unique_lock guard{where.mutex};
  auto i = where.holders.find(name);
  if (i != where.holders.end() && i->second == id)
    where.holders.erase(i);
}

std::optional<std::string> alias_table::find(std::string_view property,
                                             const value& content) const {
  if (!names_a_twin(content))
    return std::nullopt;
  auto name = name_of(property, content);
  const auto& where = shard_of(name);
  std::shared_lock guard{where.mutex};
  auto i = where.holders.find(name);
  return i != where.holders.end() ? std::optional{i->second} : std::nullopt;
}

std::size_t alias_table::size() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < shard_count; ++i) {
    std::shared_lock guard{shards_[i].mutex};
    sum += shards_[i].holders.size();
  }
  return sum;
}

} // namespace gemel
