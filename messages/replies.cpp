#include "messages/replies.hpp"

#include "messages/detail/wire_write.hpp"
#include "messages/stamp.hpp"

#include <algorithm>
#include <array>

namespace gemel {

using detail::root_of;
using detail::whole;
using detail::words_of;
using detail::write_ids;
using detail::write_properties;

const value* twin_record::find(std::string_view key) const noexcept {
  auto i = std::find_if(properties.begin(), properties.end(),
                        [&](const property& p) { return p.key == key; });
  return i != properties.end() ? &i->content : nullptr;
}

const property_change* twin_event::find(std::string_view key) const noexcept {
  auto i = std::find_if(changes.begin(), changes.end(),
                        [&](const property_change& c) { return c.key == key; });
  return i != changes.end() ? &*i : nullptr;
}

std::string event_id_of(std::uint16_t shard, std::uint64_t dot) {
  auto write = gemel::dot{dot};
  return std::to_string(writer_of(write)) + "-" + std::to_string(shard) + "-"
         + std::to_string(counter_of(write));
}

std::string twin_event::event_id() const {
  return event_id_of(shard, dot);
}

std::string_view to_string(event_kind kind) noexcept {
  constexpr std::array<std::string_view, 7> names = {"created", "updated", "removed", "lifecycle",
                                                     "crashed", "emitted", "moved"};
  auto index = static_cast<std::size_t>(kind);
  return index < names.size() ? names[index] : std::string_view{"unknown"};
}

namespace {

// The root and what stands once in a reply.
constexpr std::size_t head_words = 24;

void write_error(wire::Error::Builder target, const error& why) {
  target.setCode(static_cast<std::uint16_t>(why.code));
  target.setContext(whole(why.context));
  target.setRetryAfterMs(why.retry_after_ms);
}

void write_values(capnp::List<wire::Value>::Builder target, std::span<const value> values) {
  for (unsigned i = 0; i < target.size(); ++i)
    write_value(target[i], values[i]);
}

void write_rollup(wire::Rollup::Builder target, const rollup_record& rollup, name_table& keys) {
  target.setProperty(keys.intern(rollup.property));
  target.setCount(rollup.count);
  target.setSum(rollup.sum);
  target.setMin(rollup.min);
  target.setMax(rollup.max);
}

void write_stamp(wire::PropertyStamp::Builder target, const property_stamp& stamp) {
  target.setTime(stamp.time);
  target.setDot(stamp.dot);
  target.setSourceTimeUs(stamp.source_time_us);
}

void write_rollups(capnp::List<wire::Rollup>::Builder target, const twin_record& twin,
                   name_table& keys) {
  for (unsigned i = 0; i < target.size(); ++i)
    write_rollup(target[i], twin.rollups[i], keys);
}

void write_stamps(capnp::List<wire::PropertyStamp>::Builder target, const twin_record& twin) {
  for (unsigned i = 0; i < target.size(); ++i)
    write_stamp(target[i], twin.stamps[i]);
}

} // namespace

frame make_error_reply(const error& why) {
  frame_builder builder{head_words + words_of(why.context)};
  write_error(root_of(builder).initReply().initError(), why);
  return builder.finish();
}

namespace {

std::size_t words_of_outcome(const outcome& what) {
  constexpr std::size_t failure_words = 4;
  auto sum = head_words + words_of(what.ids);
  for (const auto& one : what.failures)
    sum += failure_words + words_of(one.why.context);
  return sum;
}

} // namespace

frame make_outcome_reply(const outcome& what) {
  frame_builder builder{words_of_outcome(what)};
  auto target = root_of(builder).initReply().initOutcome();
  target.setApplied(what.applied);
  auto failures = target.initFailures(static_cast<unsigned>(what.failures.size()));
  for (unsigned i = 0; i < failures.size(); ++i) {
    write_error(failures[i], what.failures[i].why);
    failures[i].setIndex(what.failures[i].index);
  }
  write_ids(target.initIds(static_cast<unsigned>(what.ids.size())), what.ids);
  return builder.finish();
}

namespace {

std::size_t words_of_twin(const twin_record& twin) {
  constexpr std::size_t twin_words = 16;
  constexpr std::size_t rollup_words = 5;
  constexpr std::size_t stamp_words = 3;
  return twin_words + words_of(twin.id) + words_of(twin.parent) + words_of(twin.path)
         + words_of(twin.properties) + rollup_words * twin.rollups.size()
         + stamp_words * twin.stamps.size();
}

std::size_t words_of_page(const twin_page& page) {
  constexpr std::size_t names_words = 256;
  auto sum = head_words + names_words + words_of(page.missing) + words_of(page.explanation);
  for (const auto& twin : page.twins)
    sum += words_of_twin(twin);
  constexpr std::size_t group_words = 8;
  constexpr std::size_t value_words = 6;
  for (const auto& group : page.groups)
    sum += group_words + value_words * (group.keys.size() + group.values.size());
  return sum;
}

} // namespace

frame make_page_reply(const twin_page& page) {
  frame_builder builder{words_of_page(page)};
  name_table keys;
  name_table types;
  auto target = root_of(builder).initReply().initPage();
  auto list = target.initTwins(static_cast<unsigned>(page.twins.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const auto& twin = page.twins[i];
    auto one = list[i];
    one.setId(whole(twin.id));
    one.setType(types.intern(twin.type));
    one.setParent(whole(twin.parent));
    one.setVersion(twin.version);
    one.setLifecycle(static_cast<std::uint8_t>(twin.lifecycle));
    one.setUpdatedAtUs(twin.updated_at_us);
    one.setHasChildren(twin.has_children);
    one.setPath(whole(twin.path));
    write_properties(one.initProperties(static_cast<unsigned>(twin.properties.size())),
                     twin.properties, keys);
    if (!twin.rollups.empty())
      write_rollups(one.initRollups(static_cast<unsigned>(twin.rollups.size())), twin, keys);
    if (!twin.stamps.empty())
      write_stamps(one.initStamps(static_cast<unsigned>(twin.stamps.size())), twin);
  }
  keys.write(target.initKeys(static_cast<unsigned>(keys.names().size())));
  types.write(target.initTypes(static_cast<unsigned>(types.names().size())));
  target.setNext(whole(page.next));
  target.setTotal(page.total);
  write_ids(target.initMissing(static_cast<unsigned>(page.missing.size())), page.missing);
  auto groups = target.initGroups(static_cast<unsigned>(page.groups.size()));
  for (unsigned i = 0; i < groups.size(); ++i) {
    const auto& group = page.groups[i];
    write_values(groups[i].initKeys(static_cast<unsigned>(group.keys.size())), group.keys);
    write_values(groups[i].initValues(static_cast<unsigned>(group.values.size())), group.values);
  }
  target.setExplanation(whole(page.explanation));
  return builder.finish();
}

frame make_subscribed_reply(std::uint64_t subscription) {
  capnp::MallocMessageBuilder builder;
  root_of(builder).initReply().setSubscribed(subscription);
  return frame::build(builder);
}

frame make_done_reply() {
  capnp::MallocMessageBuilder builder;
  root_of(builder).initReply().setDone();
  return frame::build(builder);
}

frame make_result_reply(const value& content) {
  capnp::MallocMessageBuilder builder;
  write_value(root_of(builder).initReply().initResult(), content);
  return frame::build(builder);
}

frame make_types_reply(std::span<const type_record> types) {
  capnp::MallocMessageBuilder builder;
  auto list = root_of(builder).initReply().initTypes(static_cast<unsigned>(types.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const auto& type = types[i];
    list[i].setName(whole(type.name));
    list[i].setExtends(whole(type.extends));
    write_ids(list[i].initCapabilities(static_cast<unsigned>(type.capabilities.size())),
              type.capabilities);
    auto declared = list[i].initProperties(static_cast<unsigned>(type.properties.size()));
    for (unsigned k = 0; k < declared.size(); ++k) {
      const auto& info = type.properties[k];
      declared[k].setKey(whole(info.key));
      declared[k].setKind(whole(info.kind));
      declared[k].setUnit(whole(info.unit));
      declared[k].setIndexed(info.indexed);
      declared[k].setUnique(info.unique);
    }
    write_ids(list[i].initCommands(static_cast<unsigned>(type.commands.size())), type.commands);
    list[i].setTwins(type.twins);
    list[i].setHasBehavior(type.has_behavior);
  }
  return frame::build(builder);
}

frame make_stats_reply(const stats_record& stats) {
  capnp::MallocMessageBuilder builder;
  auto target = root_of(builder).initReply().initStats();
  auto counters = target.initCounters(static_cast<unsigned>(stats.counters.size()));
  for (unsigned i = 0; i < counters.size(); ++i) {
    counters[i].setName(whole(stats.counters[i].name));
    counters[i].setValue(stats.counters[i].number);
    counters[i].setHelp(whole(stats.counters[i].help));
  }
  auto latencies = target.initLatencies(static_cast<unsigned>(stats.latencies.size()));
  for (unsigned i = 0; i < latencies.size(); ++i) {
    const auto& from = stats.latencies[i];
    latencies[i].setName(whole(from.name));
    latencies[i].setCount(from.count);
    latencies[i].setP50Ns(from.p50_ns);
    latencies[i].setP99Ns(from.p99_ns);
    latencies[i].setP999Ns(from.p999_ns);
    latencies[i].setMaxNs(from.max_ns);
  }
  return frame::build(builder);
}

frame make_welcome_reply(std::string_view node, std::string_view program) {
  capnp::MallocMessageBuilder builder;
  auto target = root_of(builder).initReply().initWelcome();
  target.setProtocol(wire::PROTOCOL_VERSION);
  set_text(target.initNode(static_cast<unsigned>(node.size())), node);
  set_text(target.initProgram(static_cast<unsigned>(program.size())), program);
  return frame::build(builder);
}

frame make_gap_notice(std::uint64_t subscription, std::uint64_t missed, std::uint64_t next) {
  capnp::MallocMessageBuilder builder;
  auto batch = builder.initRoot<wire::Message>().initEvents();
  batch.setSubscription(subscription);
  batch.setMissed(missed);
  batch.setFirstSequence(next);
  return frame::build(builder);
}

frame make_events_tail(const frame& events, std::uint32_t skip) {
  auto from = events.message().getEvents();
  auto all = from.getEvents();
  GEMEL_CHECK(skip < all.size());
  frame_builder builder{events.size() / sizeof(capnp::word) + 1};
  auto batch = builder.message().initEvents();
  batch.setSubscription(from.getSubscription());
  batch.setKeys(from.getKeys());
  batch.setTypes(from.getTypes());
  batch.setFirstSequence(from.getFirstSequence() + skip);
  auto rest = batch.initEvents(all.size() - skip);
  for (unsigned i = 0; i < rest.size(); ++i)
    rest.setWithCaveats(i, all[i + skip]);
  return builder.finish();
}

error read_error(wire::Error::Reader what) {
  return {static_cast<errc>(what.getCode()), std::string{text_of(what.getContext())},
          what.getRetryAfterMs()};
}

namespace {

std::vector<std::string> read_texts(capnp::List<capnp::Text>::Reader list) {
  std::vector<std::string> texts;
  texts.reserve(list.size());
  for (auto text : list)
    texts.emplace_back(text_of(text));
  return texts;
}

} // namespace

outcome read_outcome(wire::Outcome::Reader what) {
  outcome read;
  read.applied = what.getApplied();
  for (auto one : what.getFailures())
    read.failures.push_back({one.getIndex(), read_error(one)});
  read.ids = read_texts(what.getIds());
  return read;
}

namespace {

twin_record read_twin(wire::Twin::Reader one, wire::Page::Reader page) {
  auto keys = page.getKeys();
  twin_record twin;
  twin.id = text_of(one.getId());
  twin.type = text_of(page.getTypes()[one.getType()]);
  twin.parent = text_of(one.getParent());
  twin.path = text_of(one.getPath());
  twin.version = one.getVersion();
  twin.lifecycle = static_cast<lifecycle_state>(one.getLifecycle());
  twin.updated_at_us = one.getUpdatedAtUs();
  twin.has_children = one.getHasChildren();
  for (auto held : one.getProperties())
    twin.properties.push_back({std::string{text_of(keys[held.getKey()])}, read_value(held)});
  for (auto rollup : one.getRollups())
    twin.rollups.push_back({std::string{text_of(keys[rollup.getProperty()])}, rollup.getCount(),
                            rollup.getSum(), rollup.getMin(), rollup.getMax()});
  for (auto stamp : one.getStamps())
    twin.stamps.push_back({stamp.getTime(), stamp.getDot(), stamp.getSourceTimeUs()});
  return twin;
}

std::vector<value> read_values(capnp::List<wire::Value>::Reader list) {
  std::vector<value> values;
  values.reserve(list.size());
  for (auto one : list)
    values.push_back(read_value(one));
  return values;
}

} // namespace

twin_page read_page(wire::Page::Reader what) {
  twin_page read;
  read.twins.reserve(what.getTwins().size());
  for (auto one : what.getTwins())
    read.twins.push_back(read_twin(one, what));
  for (auto group : what.getGroups())
    read.groups.push_back({read_values(group.getKeys()), read_values(group.getValues())});
  read.explanation = text_of(what.getExplanation());
  read.next = text_of(what.getNext());
  read.total = what.getTotal();
  read.missing = read_texts(what.getMissing());
  return read;
}

std::vector<type_record> read_types(capnp::List<wire::TypeInfo>::Reader list) {
  std::vector<type_record> read;
  read.reserve(list.size());
  for (auto one : list) {
    auto& type = read.emplace_back();
    type.name = text_of(one.getName());
    type.extends = text_of(one.getExtends());
    type.capabilities = read_texts(one.getCapabilities());
    for (auto property : one.getProperties())
      type.properties.push_back(
          {std::string{text_of(property.getKey())}, std::string{text_of(property.getKind())},
           std::string{text_of(property.getUnit())}, property.getIndexed(), property.getUnique()});
    type.commands = read_texts(one.getCommands());
    type.twins = one.getTwins();
    type.has_behavior = one.getHasBehavior();
  }
  return read;
}

stats_record read_stats(wire::Stats::Reader what) {
  stats_record read;
  for (auto one : what.getCounters())
    read.counters.push_back(
        {std::string{text_of(one.getName())}, one.getValue(), std::string{text_of(one.getHelp())}});
  for (auto one : what.getLatencies())
    read.latencies.push_back({std::string{text_of(one.getName())}, one.getCount(), one.getP50Ns(),
                              one.getP99Ns(), one.getP999Ns(), one.getMaxNs()});
  return read;
}

twin_event read_event(wire::EventBatch::Reader batch, unsigned index) {
  auto from = batch.getEvents()[index];
  twin_event read;
  read.kind = static_cast<event_kind>(from.getKind());
  read.id = text_of(from.getId());
  read.type = text_of(batch.getTypes()[from.getType()]);
  read.parent = text_of(from.getParent());
  read.version = from.getVersion();
  read.lifecycle = static_cast<lifecycle_state>(from.getLifecycle());
  read.time_us = from.getTimeUs();
  read.source_time_us = from.getSourceTimeUs();
  auto changes = from.getChanges();
  auto previous = from.getPrevious();
  for (unsigned i = 0; i < changes.size(); ++i)
    read.changes.push_back({std::string{text_of(batch.getKeys()[changes[i].getKey()])},
                            read_value(previous[i]), read_value(changes[i])});
  read.detail = text_of(from.getDetail());
  read.shard = from.getShard();
  read.dot = from.getDot();
  read.cause = text_of(from.getCause());
  read.name = text_of(from.getName());
  return read;
}

namespace {

// The reply inside `answer` if it is of kind `which`, else the error it holds.
result<wire::Reply::Reader> expect(const frame& answer, wire::Reply::Which which) {
  if (!answer)
    return fail(errc::bad_frame, "no reply");
  auto message = answer.message();
  if (!message.isReply())
    return fail(errc::bad_frame, "a reply was expected");
  auto reply = message.getReply();
  if (reply.which() == which)
    return reply;
  if (reply.isError())
    return tl::unexpected<error>(read_error(reply.getError()));
  return fail(errc::bad_frame, "a reply of another kind was expected");
}

} // namespace

result<outcome> expect_outcome(const frame& answer) {
  return expect(answer, wire::Reply::OUTCOME).map([](auto r) {
    return read_outcome(r.getOutcome());
  });
}

result<twin_page> expect_page(const frame& answer) {
  return expect(answer, wire::Reply::PAGE).map([](auto r) { return read_page(r.getPage()); });
}

result<std::uint64_t> expect_subscribed(const frame& answer) {
  return expect(answer, wire::Reply::SUBSCRIBED).map([](auto r) -> std::uint64_t {
    return r.getSubscribed();
  });
}

result<void> expect_done(const frame& answer) {
  auto reply = expect(answer, wire::Reply::DONE);
  if (!reply)
    return tl::unexpected<error>(std::move(reply.error()));
  return {};
}

result<value> expect_result(const frame& answer) {
  return expect(answer, wire::Reply::RESULT).map([](auto r) { return read_value(r.getResult()); });
}

result<std::vector<type_record>> expect_types(const frame& answer) {
  return expect(answer, wire::Reply::TYPES).map([](auto r) { return read_types(r.getTypes()); });
}

result<stats_record> expect_stats(const frame& answer) {
  return expect(answer, wire::Reply::STATS).map([](auto r) { return read_stats(r.getStats()); });
}

} // namespace gemel
