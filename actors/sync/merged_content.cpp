#include "actors/sync/merged_content.hpp"

#include <algorithm>
#include <charconv>

namespace gemel {

namespace {

constexpr int hexadecimal = 16;
constexpr std::size_t item_fields = 5;

std::string hex(std::uint64_t number) {
  char text[17];
  auto end = std::to_chars(text, text + sizeof text, number, hexadecimal).ptr;
  return {text, end};
}

std::uint64_t from_hex(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, hexadecimal);
  return number;
}

std::int64_t integer_or_0(const value& content) {
  return content.is_integer() ? content.as_integer() : 0;
}

value added(const value& left, const value& right) {
  std::int64_t sum = 0;
  if (left.is_integer() && right.is_integer()
      && !__builtin_add_overflow(left.as_integer(), right.as_integer(), &sum))
    return value{sum};
  return value{left.number().value_or(0) + right.number().value_or(0)};
}

bool less_number(const value& left, const value& right) {
  return left.number().value_or(0) < right.number().value_or(0);
}

value empty_map() {
  return value{value_map{}};
}

} // namespace

// ---- contributions ------------------------------------------------------------------------------

contributions contributions::of(const sibling& from, bool by_site) {
  contributions made;
  auto owner = static_cast<std::uint64_t>(from.write.writer);
  if (by_site)
    owner = static_cast<std::uint64_t>(site_of(from.write.writer));
  if (from.content.is_number())
    made.shares_[owner] = {0, from.content};
  if (!from.content.is_map())
    return made;
  for (const auto& [key, kept] : from.content.as_map()) {
    if (!kept.is_list() || kept.as_list().size() != 2 || !kept.as_list()[1].is_number())
      continue;
    made.shares_[from_hex(key)] = {integer_or_0(kept.as_list()[0]), kept.as_list()[1]};
  }
  return made;
}

void contributions::join(const contributions& other) {
  for (const auto& [owner, theirs] : other.shares_) {
    auto [at, fresh] = shares_.try_emplace(owner, theirs);
    auto& ours = at->second;
    // Two of one version are of a site that lost its disk; any rule does that all follow.
    if (!fresh
        && (ours.version < theirs.version
            || (ours.version == theirs.version && less_number(ours.amount, theirs.amount))))
      ours = theirs;
  }
}

value contributions::sum() const {
  value total{0};
  for (const auto& [owner, given] : shares_)
    total = added(total, given.amount);
  return total;
}

value contributions::amount(std::uint64_t owner) const {
  auto at = shares_.find(owner);
  return at != shares_.end() ? at->second.amount : value{0};
}

void contributions::set(std::uint64_t owner, value amount) {
  auto& given = shares_[owner];
  ++given.version;
  given.amount = std::move(amount);
}

value contributions::to_value() const {
  value_map made;
  for (const auto& [owner, given] : shares_)
    made.push_back({hex(owner), value{value_list{value{given.version}, given.amount}}});
  return value{std::move(made)};
}

// ---- causal members -----------------------------------------------------------------------------

causal_members causal_members::read(const value& kept) {
  causal_members made;
  if (const auto* seen = kept.find("seen"); seen != nullptr && seen->is_map())
    for (const auto& [writer, number] : seen->as_map())
      made.seen_.advance(
          {writer_id{from_hex(writer)}, static_cast<std::uint64_t>(integer_or_0(number))});
  const auto* items = kept.find("items");
  if (items == nullptr || !items->is_list())
    return made;
  for (const auto& item : items->as_list()) {
    if (!item.is_list() || item.as_list().size() != item_fields)
      continue;
    auto fields = item.as_list();
    if (!fields[0].is_text() || !fields[1].is_text())
      continue;
    write_id write{writer_id{from_hex(fields[1].as_text())},
                   static_cast<std::uint64_t>(integer_or_0(fields[2]))};
    auto time = hybrid_time{static_cast<std::uint64_t>(integer_or_0(fields[3]))};
    made.members_.push_back({std::string{fields[0].as_text()}, write, time, fields[4]});
  }
  return made;
}

causal_members causal_members::of_set(const sibling& from) {
  if (!from.content.is_list())
    return read(from.content);
  causal_members made;
  made.become(elements(from.content), from.write, from.time);
  return made;
}

causal_members causal_members::of_map(const sibling& from) {
  if (from.content.find("items") != nullptr && from.content.find("seen") != nullptr)
    return read(from.content);
  causal_members made;
  made.become(members(from.content), from.write, from.time);
  return made;
}

bool causal_members::has(const member& one) const {
  return std::any_of(members_.begin(), members_.end(),
                     [&](const member& m) { return m.write == one.write && m.key == one.key; });
}

void causal_members::join(const causal_members& other) {
  std::vector<member> kept;
  for (const auto& ours : members_)
    if (other.has(ours) || !other.seen_.covers(ours.write))
      kept.push_back(ours);
  for (const auto& theirs : other.members_)
    if (!has(theirs) && !seen_.covers(theirs.write))
      kept.push_back(theirs);
  members_ = std::move(kept);
  seen_.join(other.seen_);
}

std::map<std::string, const causal_members::member*> causal_members::shown() const {
  std::map<std::string, const member*> latest;
  for (const auto& m : members_) {
    auto& at = latest[m.key];
    if (at == nullptr || std::pair{at->time, at->write} < std::pair{m.time, m.write})
      at = &m;
  }
  return latest;
}

void causal_members::become(const std::map<std::string, value>& wanted, write_id own,
                            hybrid_time now) {
  std::vector<member> kept;
  auto before = shown();
  for (const auto& [key, content] : wanted) {
    auto at = before.find(key);
    if (at != before.end() && at->second->content == content)
      kept.push_back(*at->second);
    else
      kept.push_back({key, own, now, content});
  }
  members_ = std::move(kept);
  seen_.advance(own);
}

value causal_members::as_list() const {
  value_list made;
  for (const auto& [key, latest] : shown())
    made.push_back(latest->content);
  return value{std::move(made)};
}

value causal_members::as_map() const {
  value_map made;
  for (const auto& [key, latest] : shown())
    made.push_back({key, latest->content});
  return value{std::move(made)};
}

value causal_members::to_value() const {
  value_map seen;
  for (const auto& e : seen_.entries())
    seen.push_back({hex(static_cast<std::uint64_t>(e.writer)), value{e.number}});
  auto ordered = members_;
  std::sort(ordered.begin(), ordered.end(), [](const member& left, const member& right) {
    return std::tie(left.key, left.write) < std::tie(right.key, right.write);
  });
  value_list items;
  for (const auto& m : ordered)
    items.push_back(value{
        value_list{value{m.key}, value{hex(static_cast<std::uint64_t>(m.write.writer))},
                   value{m.write.number}, value{static_cast<std::uint64_t>(m.time)}, m.content}});
  return value{value_map{{"items", value{std::move(items)}},
                         {"seen", seen.empty() ? empty_map() : value{std::move(seen)}}}};
}

std::map<std::string, value> causal_members::elements(const value& list) {
  std::map<std::string, value> made;
  if (list.is_list())
    for (const auto& element : list.as_list())
      made.emplace(to_json(element), element);
  return made;
}

std::map<std::string, value> causal_members::members(const value& map) {
  std::map<std::string, value> made;
  if (map.is_map())
    for (const auto& [key, content] : map.as_map())
      made.emplace(key, content);
  return made;
}

} // namespace gemel
