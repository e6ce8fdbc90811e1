#include "actors/update_draft.hpp"

#include "registry/value_path.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Symbol tables hold far fewer keys, see registry/symbols.hpp.
constexpr std::uint32_t new_names_begin = 0x8000'0000;

template <class Id>
constexpr std::uint32_t number(Id id) noexcept {
  return static_cast<std::uint32_t>(id);
}

} // namespace

bool update_draft::is_new(key_id key) noexcept {
  return number(key) >= new_names_begin;
}

value& update_draft::set(const key_ref& key, value&& content) {
  if (key.key != unknown)
    return set(key.key, std::move(content));
  auto made = key_id{new_names_begin + static_cast<std::uint32_t>(new_names_.size())};
  new_names_.emplace_back(key.name);
  return set(made, std::move(content));
}

update_draft::setting* update_draft::find(const key_ref& key) {
  auto is_it = [&](const setting& s) {
    if (key.key != unknown)
      return s.key == key.key;
    return is_new(s.key) && new_names_[number(s.key) - new_names_begin] == key.name;
  };
  auto i = std::find_if(set_.begin(), set_.end(), is_it);
  return i != set_.end() ? &*i : nullptr;
}

const value* update_draft::current(const twin_row& row, const key_ref& key) {
  if (const auto* found = find(key))
    return &found->content;
  if (key.key == unknown || std::find(unset_.begin(), unset_.end(), key.key) != unset_.end())
    return nullptr;
  return row.find(key.key);
}

void update_draft::put(const key_ref& key, value&& content) {
  if (auto* found = find(key))
    found->content = std::move(content);
  else
    set(key, std::move(content));
  std::erase(unset_, key.key);
}

void update_draft::drop(const key_ref& key) {
  if (auto* found = find(key))
    set_.erase(set_.begin() + (found - set_.data()));
  if (key.key != unknown)
    unset_.push_back(key.key);
}

void update_draft::replace(const twin_row& row) {
  for (auto key : row.layout->keys())
    if (find({key, {}}) == nullptr)
      unset_.push_back(key);
}

result<void> update_draft::add(const twin_row& row, const key_ref& key, const value& amount) {
  auto sum = add_numbers(current(row, key), amount);
  if (!sum)
    return fail(sum.error().code, std::string{key.name} + ": " + sum.error().context);
  put(key, std::move(*sum));
  return {};
}

result<void> update_draft::change(const twin_row& row, symbol_cache& keys, std::string_view path,
                                  path_change::action what, const value& content) {
  auto parsed = parse_value_path(path);
  if (!parsed)
    return fail(parsed.error().code, "a path, " + parsed.error().context);
  auto known = keys.find(parsed->property);
  key_ref key{known ? key_id{*known} : unknown, parsed->property};
  auto made = change_inside(current(row, key), *parsed, what, content);
  if (!made)
    return tl::unexpected<error>(std::move(made.error()));
  if (*made)
    put(key, std::move(**made));
  else
    drop(key);
  return {};
}

std::string_view update_draft::name_of(const setting& of, symbol_cache& keys) const {
  return is_new(of.key) ? new_names_[number(of.key) - new_names_begin] : keys.text(of.key);
}

std::size_t update_draft::size_after(const twin_row& row) const {
  auto has = [&](key_id key) { return row.layout->find(key) != shape::no_slot; };
  auto size = row.layout->size();
  for (const auto& one : set_)
    size += !has(one.key);
  std::vector<key_id> gone{unset_};
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  for (auto key : gone)
    size -= has(key);
  return size;
}

result<void> update_draft::name_keys(symbol_cache& keys) {
  if (new_names_.empty()) [[likely]]
    return {};
  for (auto& one : set_) {
    if (!is_new(one.key))
      continue;
    auto interned = keys.intern(new_names_[number(one.key) - new_names_begin]);
    if (!interned)
      return fail(errc::limit_reached, "too many different property keys");
    one.key = key_id{*interned};
  }
  return {};
}

} // namespace gemel
