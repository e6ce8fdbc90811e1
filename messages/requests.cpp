#include "messages/requests.hpp"

#include "messages/detail/wire_write.hpp"

namespace gemel {

using detail::root_of;
using detail::whole;
using detail::words_of;
using detail::write_ids;
using detail::write_properties;

namespace {

// The root and what stands once in a message, with the names of a good number of keys.
constexpr std::size_t head_words = 64;

std::size_t words_of_create(std::span<const new_twin> twins) {
  constexpr std::size_t entry_words = 6;
  auto sum = head_words;
  for (const auto& twin : twins)
    sum += entry_words + words_of(twin.id) + words_of(twin.parent) + words_of(twin.placement)
           + words_of(twin.properties);
  return sum;
}

std::size_t words_of_update(std::span<const twin_update> updates) {
  constexpr std::size_t entry_words = 8;
  auto sum = head_words;
  for (const auto& update : updates)
    sum += entry_words + words_of(update.id) + words_of(update.set) + update.unset.size() / 4;
  return sum;
}

} // namespace

frame make_create(std::span<const new_twin> twins, std::optional<durability> wanted) {
  frame_builder builder{words_of_create(twins)};
  name_table keys;
  name_table types;
  auto batch = root_of(builder).initCreate();
  batch.setDurability(to_wire(wanted));
  auto list = batch.initCreates(static_cast<unsigned>(twins.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const auto& twin = twins[i];
    auto one = list[i];
    one.setId(whole(twin.id));
    one.setType(types.intern(twin.type));
    one.setParent(whole(twin.parent));
    one.setPlacement(whole(twin.placement));
    one.setIfAbsent(twin.if_absent);
    write_properties(one.initProperties(static_cast<unsigned>(twin.properties.size())),
                     twin.properties, keys);
  }
  keys.write(batch.initKeys(static_cast<unsigned>(keys.names().size())));
  types.write(batch.initTypes(static_cast<unsigned>(types.names().size())));
  return builder.finish();
}

namespace {

void write_keys(capnp::List<std::uint16_t>::Builder target, std::span<const std::string> names,
                name_table& keys) {
  for (unsigned k = 0; k < target.size(); ++k)
    target.set(k, keys.intern(names[k]));
}

void write_path(wire::PathChange::Builder target, const path_change& change) {
  target.setPath(whole(change.path));
  switch (change.what) {
  case path_change::action::set:
    return write_value(target.initSet(), change.content);
  case path_change::action::unset:
    return target.setUnset();
  case path_change::action::add:
    return write_value(target.initAdd(), change.content);
  case path_change::action::append:
    return write_value(target.initAppend(), change.content);
  }
}

bool needs_more(const twin_update& update) {
  return !update.add.empty() || !update.paths.empty() || update.replace || !update.if_absent.empty()
         || !update.condition.empty();
}

void write_more(wire::MoreOfUpdate::Builder target, const twin_update& update, name_table& keys) {
  write_properties(target.initAdd(static_cast<unsigned>(update.add.size())), update.add, keys);
  auto paths = target.initPaths(static_cast<unsigned>(update.paths.size()));
  for (unsigned k = 0; k < paths.size(); ++k)
    write_path(paths[k], update.paths[k]);
  target.setReplace(update.replace);
  write_keys(target.initIfAbsent(static_cast<unsigned>(update.if_absent.size())), update.if_absent,
             keys);
  target.setCondition(whole(update.condition));
}

} // namespace

frame make_update(std::span<const twin_update> updates, const update_options& options) {
  frame_builder builder{words_of_update(updates)};
  name_table keys;
  auto batch = root_of(builder).initUpdate();
  auto list = batch.initUpdates(static_cast<unsigned>(updates.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const auto& update = updates[i];
    auto one = list[i];
    one.setId(whole(update.id));
    write_properties(one.initSet(static_cast<unsigned>(update.set.size())), update.set, keys);
    write_keys(one.initUnset(static_cast<unsigned>(update.unset.size())), update.unset, keys);
    one.setIfVersion(update.if_version);
    one.setSourceTimeUs(update.source_time_us);
    if (needs_more(update))
      write_more(one.initMore(), update, keys);
  }
  batch.setAtomic(options.atomic);
  batch.setReplica(options.replica);
  batch.setCause(whole(options.cause));
  batch.setDurability(to_wire(options.wanted));
  keys.write(batch.initKeys(static_cast<unsigned>(keys.names().size())));
  return builder.finish();
}

frame make_update(std::string_view id, std::span<const property_ref> set) {
  constexpr std::size_t words_guess = 40;
  frame_builder builder{words_guess};
  auto batch = builder.message().initUpdate();
  auto one = batch.initUpdates(1)[0];
  auto keys = batch.initKeys(static_cast<unsigned>(set.size()));
  auto list = one.initSet(static_cast<unsigned>(set.size()));
  set_text(one.initId(static_cast<unsigned>(id.size())), id);
  for (unsigned i = 0; i < list.size(); ++i) {
    set_text(keys.init(i, static_cast<unsigned>(set[i].key.size())), set[i].key);
    list[i].setKey(static_cast<std::uint16_t>(i));
    write_value(list[i], set[i].content);
  }
  return builder.finish();
}

namespace {

// Words of an update: 6 of its struct, 3 for a property, an id of up to 40 bytes.
unsigned batch_words(std::uint32_t count, std::uint32_t set_max) {
  return 64 + count * (6 + 1 + 5 + 3 * set_max);
}

} // namespace

update_batch::update_batch(std::span<const std::string_view> keys, std::uint32_t count,
                           std::uint32_t set_max, std::optional<durability> wanted)
    : builder_{batch_words(count, set_max)}, key_count_{keys.size()} {
  auto batch = builder_.message().initUpdate();
  batch.setDurability(to_wire(wanted));
  auto names = batch.initKeys(static_cast<unsigned>(keys.size()));
  for (unsigned i = 0; i < names.size(); ++i)
    set_text(names.init(i, static_cast<unsigned>(keys[i].size())), keys[i]);
  updates_ = batch.initUpdates(count);
}

void update_batch::add(std::string_view id, std::span<const cell> set,
                       std::int64_t source_time_us) {
  GEMEL_CHECK(added_ < updates_.size());
  auto one = updates_[added_++];
  set_text(one.initId(static_cast<unsigned>(id.size())), id);
  auto list = one.initSet(static_cast<unsigned>(set.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    GEMEL_CHECK(set[i].key < key_count_);
    list[i].setKey(set[i].key);
    write_value(list[i], set[i].content);
  }
  one.setSourceTimeUs(source_time_us);
}

frame update_batch::finish() {
  GEMEL_CHECK(added_ == updates_.size());
  return builder_.finish();
}

frame make_get(std::span<const std::string> ids, std::span<const twin_alias> aliases,
               bool with_stamps, std::span<const std::string> only) {
  capnp::MallocMessageBuilder builder;
  auto get = root_of(builder).initGet();
  write_ids(get.initIds(static_cast<unsigned>(ids.size())), ids);
  auto list = get.initAliases(static_cast<unsigned>(aliases.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setProperty(whole(aliases[i].property));
    write_value(list[i].initContent(), aliases[i].content);
  }
  get.setWithStamps(with_stamps);
  write_ids(get.initOnly(static_cast<unsigned>(only.size())), only);
  return frame::build(builder);
}

frame make_command(const twin_command& asked) {
  capnp::MallocMessageBuilder builder;
  auto command = root_of(builder).initCommand();
  command.setId(whole(asked.id));
  command.setName(whole(asked.name));
  auto arguments = command.initArguments(static_cast<unsigned>(asked.arguments.size()));
  for (unsigned i = 0; i < arguments.size(); ++i) {
    arguments[i].setKey(whole(asked.arguments[i].key));
    write_value(arguments[i].initValue(), asked.arguments[i].content);
  }
  command.setTimeoutMs(asked.timeout_ms);
  command.setCause(whole(asked.cause));
  return frame::build(builder);
}

frame make_service_call(const service_call& asked) {
  capnp::MallocMessageBuilder builder;
  auto call = root_of(builder).initService();
  call.setService(whole(asked.service));
  call.setName(whole(asked.name));
  write_value(call.initArguments(), asked.arguments);
  return frame::build(builder);
}

service_call read_service_call(wire::ServiceCall::Reader asked) {
  return {std::string{text_of(asked.getService())}, std::string{text_of(asked.getName())},
          read_value(asked.getArguments())};
}

frame make_emit(std::span<const twin_emit> events, std::string_view cause) {
  capnp::MallocMessageBuilder builder;
  name_table keys;
  auto batch = root_of(builder).initEmit();
  auto list = batch.initEvents(static_cast<unsigned>(events.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setId(whole(events[i].id));
    list[i].setName(whole(events[i].name));
    write_properties(list[i].initPayload(static_cast<unsigned>(events[i].payload.size())),
                     events[i].payload, keys);
    list[i].setSourceTimeUs(events[i].source_time_us);
  }
  keys.write(batch.initKeys(static_cast<unsigned>(keys.names().size())));
  set_text(batch.initCause(static_cast<unsigned>(cause.size())), cause);
  return frame::build(builder);
}

frame make_move(std::span<const std::string> ids, std::string_view parent) {
  capnp::MallocMessageBuilder builder;
  auto move = root_of(builder).initMove();
  write_ids(move.initIds(static_cast<unsigned>(ids.size())), ids);
  set_text(move.initParent(static_cast<unsigned>(parent.size())), parent);
  return frame::build(builder);
}

frame make_types_request() {
  capnp::MallocMessageBuilder builder;
  root_of(builder).setTypes();
  return frame::build(builder);
}

frame make_remove(std::span<const std::string> ids, child_policy children,
                  std::optional<durability> wanted) {
  capnp::MallocMessageBuilder builder;
  auto remove = root_of(builder).initRemove();
  write_ids(remove.initIds(static_cast<unsigned>(ids.size())), ids);
  remove.setChildren(static_cast<wire::ChildPolicy>(children));
  remove.setDurability(to_wire(wanted));
  return frame::build(builder);
}

frame make_lifecycle(std::span<const std::string> ids, std::uint8_t trigger, child_policy children,
                     std::optional<durability> wanted) {
  capnp::MallocMessageBuilder builder;
  auto batch = root_of(builder).initLifecycle();
  write_ids(batch.initIds(static_cast<unsigned>(ids.size())), ids);
  batch.setTrigger(trigger);
  batch.setChildren(static_cast<wire::ChildPolicy>(children));
  batch.setDurability(to_wire(wanted));
  return frame::build(builder);
}

frame make_query(const query_request& asked) {
  capnp::MallocMessageBuilder builder;
  auto query = root_of(builder).initQuery();
  query.setType(whole(asked.type));
  query.setParent(whole(asked.parent));
  query.setRootsOnly(asked.roots_only);
  query.setWhere(whole(asked.where));
  write_ids(query.initSelect(static_cast<unsigned>(asked.select.size())), asked.select);
  query.setOrderBy(whole(asked.order_by));
  query.setDescending(asked.descending);
  query.setLimit(asked.limit);
  query.setPageToken(whole(asked.page_token));
  query.setCountOnly(asked.count_only);
  query.setAncestor(whole(asked.ancestor));
  write_ids(query.initGroupBy(static_cast<unsigned>(asked.group_by.size())), asked.group_by);
  write_ids(query.initAggregates(static_cast<unsigned>(asked.aggregates.size())), asked.aggregates);
  query.setExplain(asked.explain);
  return frame::build(builder);
}

frame make_subscribe(const subscription_request& asked) {
  capnp::MallocMessageBuilder builder;
  auto subscribe = root_of(builder).initSubscribe();
  write_ids(subscribe.initIds(static_cast<unsigned>(asked.ids.size())), asked.ids);
  subscribe.setType(whole(asked.type));
  subscribe.setParent(whole(asked.parent));
  subscribe.setWhere(whole(asked.where));
  subscribe.setCredit(asked.credit);
  subscribe.setAncestor(whole(asked.ancestor));
  auto kinds = subscribe.initKinds(static_cast<unsigned>(asked.kinds.size()));
  for (unsigned i = 0; i < kinds.size(); ++i)
    kinds.set(i, static_cast<wire::EventKind>(asked.kinds[i]));
  subscribe.setMinIntervalMs(asked.min_interval_ms);
  subscribe.setKeepMs(asked.keep_ms);
  subscribe.setResume(asked.resume);
  subscribe.setResumeAfter(asked.resume_after);
  subscribe.setDurable(asked.durable);
  return frame::build(builder);
}

subscription_request read_subscribe(wire::Subscribe::Reader asked) {
  subscription_request made;
  for (auto id : asked.getIds())
    made.ids.emplace_back(text_of(id));
  made.type = text_of(asked.getType());
  made.parent = text_of(asked.getParent());
  made.where = text_of(asked.getWhere());
  made.credit = asked.getCredit();
  made.ancestor = text_of(asked.getAncestor());
  for (auto kind : asked.getKinds())
    made.kinds.push_back(static_cast<event_kind>(kind));
  made.min_interval_ms = asked.getMinIntervalMs();
  made.keep_ms = asked.getKeepMs();
  made.resume = asked.getResume();
  made.resume_after = asked.getResumeAfter();
  made.durable = asked.getDurable();
  return made;
}

frame make_unsubscribe(std::uint64_t subscription) {
  capnp::MallocMessageBuilder builder;
  root_of(builder).setUnsubscribe(subscription);
  return frame::build(builder);
}

frame make_grant(std::uint64_t subscription, std::uint32_t credit) {
  capnp::MallocMessageBuilder builder;
  auto grant = root_of(builder).initGrant();
  grant.setSubscription(subscription);
  grant.setCredit(credit);
  return frame::build(builder);
}

frame make_stats_request() {
  capnp::MallocMessageBuilder builder;
  root_of(builder).setStats();
  return frame::build(builder);
}

frame make_hello(std::string_view program) {
  capnp::MallocMessageBuilder builder;
  auto hello = root_of(builder).initHello();
  hello.setProtocol(wire::PROTOCOL_VERSION);
  set_text(hello.initProgram(static_cast<unsigned>(program.size())), program);
  return frame::build(builder);
}

} // namespace gemel
