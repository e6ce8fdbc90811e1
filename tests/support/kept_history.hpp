#pragma once

#include "actors/history_port.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace gemel::test {

/// A disk for history that keeps what was written, and nothing else.
class kept_history final : public history_port {
public:
  result<void> write(const history_batch& made) override {
    if (is_full)
      return fail(errc::store_full, "no room");
    for (const auto& [key, block] : made.blocks)
      pairs.insert_or_assign(key, block);
    for (const auto& [id, type] : made.types)
      if (type)
        types.insert_or_assign(id, *type);
      else
        types.erase(id);
    at = made.cursor;
    return {};
  }
  result<void> read(std::string_view begin, std::string_view end,
                    const pair_sink& each) const override {
    for (auto i = pairs.lower_bound(begin); i != pairs.end() && i->first < end; ++i)
      if (auto done = each(i->first, i->second); !done)
        return done;
    return {};
  }
  result<std::string> first_key(std::string_view begin) const override {
    auto found = pairs.lower_bound(begin);
    return found == pairs.end() ? std::string{} : found->first;
  }
  result<std::optional<std::pair<std::string, std::string>>>
  last_pair(std::string_view begin, std::string_view end) const override {
    auto found = pairs.lower_bound(end);
    if (found == pairs.begin() || (--found)->first < begin)
      return std::nullopt;
    return std::optional{std::pair{found->first, found->second}};
  }
  result<void> erase(std::string_view begin, std::string_view end) override {
    pairs.erase(pairs.lower_bound(begin), pairs.lower_bound(end));
    return {};
  }
  result<std::optional<log_position>> cursor() const override { return at; }
  result<std::optional<std::string>> type_of(std::string_view id) const override {
    auto found = types.find(id);
    return found == types.end() ? std::nullopt : std::optional{found->second};
  }
  std::uint64_t bytes() const override {
    std::uint64_t sum = 0;
    for (const auto& [key, block] : pairs)
      sum += key.size() + block.size();
    return sum;
  }
  std::unique_ptr<history_view> snapshot() const override {
    auto made = std::make_unique<kept_history>();
    made->pairs = pairs;
    return made;
  }

  bool is_full = false;
  std::map<std::string, std::string, std::less<>> pairs;
  std::map<std::string, std::string, std::less<>> types;
  std::optional<log_position> at;
};

} // namespace gemel::test
