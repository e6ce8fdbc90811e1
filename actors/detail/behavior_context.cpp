#include "actors/detail/behavior_context.hpp"

#include "messages/names.hpp"

#include <algorithm>

namespace gemel {

namespace {

// What was thrown is foreign text that goes into frames: short and UTF-8.
std::string printable(std::string_view thrown) {
  constexpr std::size_t bytes_max = 1'024;
  std::string text{thrown.substr(0, bytes_max)};
  if (!is_utf8(text))
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7e; }, '?');
  return text;
}

} // namespace

template <class Call>
std::optional<std::string> cell::behavior_context::guarded(Call call) {
  try {
    call();
    return std::nullopt;
  } catch (const std::exception& thrown) {
    return printable(thrown.what());
  } catch (...) {
    return std::string{"an exception that is no std::exception"};
  }
}

std::optional<std::string> cell::behavior_context::run_start(const behavior_factory& factory,
                                                             std::unique_ptr<behavior>& made) {
  return guarded([&] {
    made = factory();
    if (made == nullptr)
      throw std::runtime_error{"the factory of its type made no behaviour"};
    made->on_start(*this);
  });
}

std::optional<std::string> cell::behavior_context::run_update(behavior& of,
                                                              std::uint32_t changes_begin) {
  // A copy: the behaviour's own changes go to the same list.
  auto on_lane = owner_.lane_.changes_from(changes_begin);
  std::vector<lane_change> changes(on_lane.begin(), on_lane.end());
  std::vector<change_view> views;
  views.reserve(changes.size());
  for (const auto& c : changes)
    views.push_back({owner_.world_.symbols.text(c.key), c.before, c.after});
  return guarded([&] { of.on_update(*this, views); });
}

const value* cell::behavior_context::get(std::string_view key) const {
  auto number = owner_.keys_.find(key);
  return number ? row().find(key_id{*number}) : nullptr;
}

void cell::behavior_context::set(std::string_view key, value content) {
  auto refuse = [](const error& why) { throw std::invalid_argument{to_string(why)}; };
  if (auto valid = check_key(key); !valid)
    refuse(valid.error());
  if (auto valid = check_content(content); !valid)
    refuse(valid.error());
  auto number = owner_.keys_.intern(key);
  if (!number)
    refuse(number.error());
  auto id = key_id{*number};
  if (auto fine = owner_.model_checks_.check(row().layout->type(), id, key, content); !fine)
    refuse(fine.error());
  if (row().layout->find(id) == shape::no_slot
      && row().layout->size() >= owner_.world_.limits.properties_max)
    refuse({errc::limit_reached, "limits.properties_max"});
  if (auto claimed = owner_.kept_.claim(row(), id, content); !claimed)
    refuse(claimed.error());
  auto before = owner_.changed_;
  owner_.set_property(row(), id, std::move(content), at_);
  row().version += owner_.changed_ - before;
}

} // namespace gemel
