#include "actors/cell.hpp"
#include "messages/names.hpp"
#include "messages/wire.hpp"

namespace gemel {

std::size_t cell::run_create(batch_part& part, const moment& now) {
  auto batch = part.of->message().message().getCreate();
  use_keys(batch.getKeys());
  const auto entries = part.end - part.begin;
  const auto* routes = part.of->routes().data();
  for (auto& i = part.begin; i < part.end; ++i) {
    if (i + creates_ahead < part.end)
      fetch_place(*part.of, routes[i + creates_ahead]);
    const auto& where = routes[i];
    bool parked = false;
    auto made = create_or_park(part.of, where, now, parked);
    if (!made)
      part.of->fail(where.index, std::move(made.error()));
    else if (!parked)
      ++part.applied;
  }
  close(part.of, part.applied);
  return entries;
}

/// Asks for the memory of the directory that the create will look at.
void cell::fetch_place(const batch& of, const route& where) const noexcept {
  world_.directory.prefetch(world_.directory.key_of(of.ids()[where.index]));
}

result<void> cell::create_or_park(const batch_ptr& of, const route& where, const moment& now,
                                  bool& parked) {
  auto made = of->message().message().getCreate().getCreates()[where.index];
  auto parent = text_of(made.getParent());
  if (parent.empty())
    return create_in(twin_row::none, of, where, now);
  auto known = group_of_parent_.find(std::string{parent});
  auto group =
      known != group_of_parent_.end()
          ? known->second
          : open_group(parent, cell_id{static_cast<std::uint16_t>(where.row)}, of->number());
  if (group == twin_row::none)
    return fail(errc::twin_not_found, "parent " + std::string{parent});
  auto& g = *groups_[group];
  if (g.now == hierarchy_group::state::opening) {
    if (parked_creates_ >= world_.limits.parked_creates_max)
      return fail(errc::overloaded, "too many creates wait for their parents");
    ++parked_creates_;
    expect_twin(g, *of, where);
    of->open_part();
    g.parked.push_back({of, where});
    parked = true;
    return {};
  }
  auto answer = create_in(group, of, where, now);
  if (!answer)
    drop_group_if_empty(group, now);
  return answer;
}

result<void> cell::admit(std::uint32_t group) const {
  if (live_rows_ >= world_.limits.twins_max)
    return fail(errc::limit_reached, "limits.twins_max");
  if (group == twin_row::none)
    return {};
  const auto& g = *groups_[group];
  if (g.now == hierarchy_group::state::closing)
    return fail(errc::twin_not_found, "parent " + g.parent + " is being deleted");
  if (g.above == hierarchy_group::parent_state::retired)
    return fail(errc::illegal_state, "parent " + g.parent + " is retired");
  if (g.count >= world_.limits.children_max)
    return fail(errc::limit_reached, "limits.children_max: parent " + g.parent + " has "
                                         + std::to_string(g.count) + " children");
  if (g.depth + 1u > world_.limits.depth_max)
    return fail(errc::limit_reached,
                "limits.depth_max: parent " + g.parent + " is at depth " + std::to_string(g.depth));
  return {};
}

result<type_id> cell::resolve_type(std::string_view type) {
  auto number = types_.intern(type);
  if (!number)
    return fail(errc::limit_reached, "too many different twin types");
  return type_id{*number};
}

/// Whether the row follows its root's placement key. The route was found before its turn: by now
/// the parent may have been deleted and made anew with another placement.
bool cell::place_row(std::uint32_t index, std::uint32_t group, const route& where) {
  auto shard = where.shard;
  bool pinned = where.pinned;
  if (pinned && group != twin_row::none) {
    const auto& parent = groups_[group]->parent;
    auto at = world_.directory.find(parent);
    pinned = at && at->pinned && at->cell == self_;
    shard = pinned ? row_at(at->row).shard : static_cast<std::uint16_t>(shard_of(parent));
  }
  set_shard(index, shard);
  row_at(index).set(twin_row::pinned, pinned);
  return pinned;
}

result<void> cell::create_in(std::uint32_t group, const batch_ptr& of, const route& where,
                             const moment& now) {
  auto batch = of->message().message().getCreate();
  auto made = batch.getCreates()[where.index];
  if (made.getIfAbsent() && world_.directory.find(of->ids()[where.index]))
    return {};
  if (auto allowed = admit(group); !allowed)
    return allowed;
  if (made.getType() >= batch.getTypes().size())
    return fail(errc::bad_frame, "a type that the frame does not name");
  auto type_name = text_of(batch.getTypes()[made.getType()]);
  if (auto valid = check_type(type_name); !valid)
    return valid;
  auto type = resolve_type(type_name);
  if (!type)
    return tl::unexpected<error>(std::move(type.error()));
  type_at(*type);
  auto index = take_row();
  auto& row = row_at(index);
  bool pinned = place_row(index, group, where);
  std::string_view id = of->ids()[where.index];
  if (auto filled = fill(row, id, *type, made, now); !filled) {
    free_row(index);
    return filled;
  }
  row.id = compact_id{id};
  if (!world_.directory.insert(world_.directory.key_of(id), {self_, index, pinned})) {
    free_row(index);
    if (made.getIfAbsent())
      return {};
    return fail(errc::twin_exists, std::string{id});
  }
  if (auto claimed = kept_.claim_all(row); !claimed) {
    world_.directory.erase(world_.directory.key_of(id));
    free_row(index);
    return claimed;
  }
  row.set(twin_row::live);
  row.set(twin_row::used);
  row.set(twin_row::recent);
  residents_.came();
  row.address = world_.addresses.make(self_, index);
  ++live_rows_;
  ++counters_.created;
  list_row(index);
  if (group != twin_row::none)
    link_child(group, index);
  note(event_kind::created, index, now);
  if (type_at(*type).behaves != nullptr)
    never_started_.insert(index);
  watch_for_data(index, now);
  if (group != twin_row::none)
    join_group(index, now);
  else
    start_behavior(index, now);
  return {};
}

result<void> cell::fill(twin_row& row, std::string_view id, type_id type, wire::Create::Reader made,
                        const moment& now) {
  auto list = made.getProperties();
  if (list.size() > world_.limits.properties_max)
    return fail(errc::limit_reached,
                "limits.properties_max: " + std::to_string(list.size()) + " properties");
  draft_.start();
  for (auto one : list) {
    auto key = look_up(one.getKey());
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    const auto& content = draft_.set(*key, read_value(one));
    if (auto fine = check_content(content); !fine)
      return fine;
  }
  if (auto fine = check_models(type); !fine)
    return fine;
  // A twin that is there already is found out later, but then the new keys would have numbers.
  if (draft_.names_new_keys() && world_.directory.find(id)) [[unlikely]]
    return fail(errc::twin_exists, std::string{id});
  if (auto named = draft_.name_keys(keys_); !named)
    return named;
  const auto* layout = shapes_.empty(type);
  for (const auto& setting : draft_.settings())
    if (layout->find(setting.key) == shape::no_slot)
      layout = shapes_.with(layout, setting.key);
  set_layout(row, layout);
  auto at = clock_.tick(now.unix_us / 1'000);
  for (auto& setting : draft_.settings()) {
    auto& slot = row.slots[layout->find(setting.key)];
    slot.content = std::move(setting.content);
    slot.at = {at, next_dot(row)};
  }
  row.version = 1;
  row.updated = at;
  row.lifecycle = list.size() > 0 ? lifecycle_state::active : lifecycle_state::provisioned;
  return {};
}

} // namespace gemel
