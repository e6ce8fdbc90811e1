#include "workflows/output_gate.hpp"

#include <algorithm>

namespace gemel {

void output_gate::make_room(std::int64_t now) {
  if (keys_.size() < keys_max_)
    return;
  auto every = wanted_.every.count();
  if (every > 0)
    std::erase_if(keys_, [&](const auto& one) { return now - one.second.told_at >= every; });
  if (keys_.size() >= keys_max_)
    keys_.clear();
}

bool output_gate::passes(const found_match& one) {
  auto text = wanted_.per_key ? to_json(one.key) : std::string{};
  auto known = keys_.find(text);
  auto is_new = known == keys_.end();
  if (is_new) {
    make_room(one.at);
    known = keys_.emplace(std::move(text), state{}).first;
  }
  auto& of = known->second;
  if (wanted_.events > 0) {
    auto place = of.matches++ % wanted_.events;
    return place == (wanted_.kind == output_kind::first ? 0 : wanted_.events - 1);
  }
  if (!is_new && one.at - of.told_at < wanted_.every.count())
    return false;
  of.told_at = one.at;
  return true;
}

void output_gate::filter(std::vector<found_match>& matches, std::size_t begin) {
  if (wanted_.kind == output_kind::all)
    return;
  auto first = matches.begin() + static_cast<std::ptrdiff_t>(begin);
  auto end =
      std::remove_if(first, matches.end(), [&](const found_match& one) { return !passes(one); });
  left_out_ += static_cast<std::uint64_t>(matches.end() - end);
  matches.erase(end, matches.end());
}

} // namespace gemel
