#include "messages/limits.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_messages.hpp"
#include "tests/support/read_frame.hpp"
#include "tests/support/seed.hpp"

using namespace gemel;

namespace {

// What a peer has after it was sent `made`.
frame sent(const frame& made) {
  auto arrived = frame::check(made.bytes());
  if (!arrived)
    FAIL("refused: " << to_string(arrived.error()));
  return *arrived;
}

void same(const std::vector<new_twin>& read, const std::vector<new_twin>& made) {
  REQUIRE(read.size() == made.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    REQUIRE(read[i].id == made[i].id);
    REQUIRE(read[i].type == made[i].type);
    REQUIRE(read[i].parent == made[i].parent);
    REQUIRE(read[i].properties == made[i].properties);
    REQUIRE(read[i].placement == made[i].placement);
    REQUIRE(read[i].if_absent == made[i].if_absent);
  }
}

void same(const std::vector<twin_update>& read, const std::vector<twin_update>& made) {
  REQUIRE(read.size() == made.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    REQUIRE(read[i].id == made[i].id);
    REQUIRE(read[i].set == made[i].set);
    REQUIRE(read[i].unset == made[i].unset);
    REQUIRE(read[i].if_version == made[i].if_version);
    REQUIRE(read[i].source_time_us == made[i].source_time_us);
    REQUIRE(read[i].add == made[i].add);
    REQUIRE(read[i].paths.size() == made[i].paths.size());
    for (std::size_t k = 0; k < made[i].paths.size(); ++k) {
      REQUIRE(read[i].paths[k].path == made[i].paths[k].path);
      REQUIRE(read[i].paths[k].what == made[i].paths[k].what);
      REQUIRE(read[i].paths[k].content == made[i].paths[k].content);
    }
    REQUIRE(read[i].replace == made[i].replace);
    REQUIRE(read[i].if_absent == made[i].if_absent);
    REQUIRE(read[i].condition == made[i].condition);
  }
}

std::vector<twin_update> read_updates(const frame& f) {
  return test::read_update(f.message().getUpdate());
}

} // namespace

TEST_CASE("random creates and updates arrive as they were made", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 500; ++i) {
    auto creates = random.creates();
    same(test::read_create(sent(make_create(creates)).message().getCreate()), creates);
    auto updates = random.updates();
    auto options = random.options();
    auto arrived = sent(make_update(updates, options));
    same(read_updates(arrived), updates);
    REQUIRE(arrived.message().getUpdate().getAtomic() == options.atomic);
    REQUIRE(text_of(arrived.message().getUpdate().getCause()) == options.cause);
  }
}

TEST_CASE("random commands, events, moves and gets by alias arrive as they were made",
          "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 500; ++i) {
    auto asked = random.command();
    auto arrived = sent(make_command(asked));
    auto command = arrived.message().getCommand();
    REQUIRE(text_of(command.getId()) == asked.id);
    REQUIRE(text_of(command.getName()) == asked.name);
    REQUIRE(command.getTimeoutMs() == asked.timeout_ms);
    REQUIRE(text_of(command.getCause()) == asked.cause);
    REQUIRE(command.getArguments().size() == asked.arguments.size());
    for (unsigned k = 0; k < asked.arguments.size(); ++k) {
      REQUIRE(text_of(command.getArguments()[k].getKey()) == asked.arguments[k].key);
      REQUIRE(read_value(command.getArguments()[k].getValue()) == asked.arguments[k].content);
    }
    auto argument = asked.arguments.empty() ? value{} : asked.arguments.front().content;
    auto call = sent(make_service_call({"workflows", asked.name, argument}));
    auto read = read_service_call(call.message().getService());
    REQUIRE(read.service == "workflows");
    REQUIRE(read.name == asked.name);
    REQUIRE(read.arguments == argument);
    auto emits = random.emits();
    auto emitted = sent(make_emit(emits, asked.cause));
    auto batch = emitted.message().getEmit();
    REQUIRE(text_of(batch.getCause()) == asked.cause);
    REQUIRE(batch.getEvents().size() == emits.size());
    for (unsigned k = 0; k < emits.size(); ++k) {
      auto one = batch.getEvents()[k];
      REQUIRE(text_of(one.getId()) == emits[k].id);
      REQUIRE(text_of(one.getName()) == emits[k].name);
      REQUIRE(one.getSourceTimeUs() == emits[k].source_time_us);
      REQUIRE(test::read_properties(one.getPayload(), batch.getKeys()) == emits[k].payload);
    }
    auto ids = random.names(4);
    auto moved = sent(make_move(ids, asked.id));
    REQUIRE(test::read_texts(moved.message().getMove().getIds()) == ids);
    REQUIRE(text_of(moved.message().getMove().getParent()) == asked.id);
    auto aliases = random.aliases();
    auto stamped = random.chance(50);
    const std::vector<std::string> only{"load", "temperature"};
    auto got = sent(make_get(ids, aliases, stamped, only));
    REQUIRE(test::read_texts(got.message().getGet().getOnly()) == only);
    auto get = got.message().getGet();
    REQUIRE(test::read_texts(get.getIds()) == ids);
    REQUIRE(get.getWithStamps() == stamped);
    REQUIRE(get.getAliases().size() == aliases.size());
    for (unsigned k = 0; k < aliases.size(); ++k) {
      REQUIRE(text_of(get.getAliases()[k].getProperty()) == aliases[k].property);
      REQUIRE(read_value(get.getAliases()[k].getContent()) == aliases[k].content);
    }
  }
}

TEST_CASE("random queries and subscriptions arrive as they were made", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 500; ++i) {
    auto asked = random.query();
    auto read = test::read_query(sent(make_query(asked)).message().getQuery());
    REQUIRE(read.type == asked.type);
    REQUIRE(read.parent == asked.parent);
    REQUIRE(read.roots_only == asked.roots_only);
    REQUIRE(read.where == asked.where);
    REQUIRE(read.select == asked.select);
    REQUIRE(read.order_by == asked.order_by);
    REQUIRE(read.descending == asked.descending);
    REQUIRE(read.limit == asked.limit);
    REQUIRE(read.page_token == asked.page_token);
    REQUIRE(read.count_only == asked.count_only);
    auto query = sent(make_query(asked));
    REQUIRE(text_of(query.message().getQuery().getAncestor()) == asked.ancestor);
    REQUIRE(test::read_texts(query.message().getQuery().getGroupBy()) == asked.group_by);
    REQUIRE(test::read_texts(query.message().getQuery().getAggregates()) == asked.aggregates);
    REQUIRE(query.message().getQuery().getExplain() == asked.explain);
    auto wished = random.subscription();
    auto got = read_subscribe(sent(make_subscribe(wished)).message().getSubscribe());
    REQUIRE(got.ids == wished.ids);
    REQUIRE(got.type == wished.type);
    REQUIRE(got.parent == wished.parent);
    REQUIRE(got.where == wished.where);
    REQUIRE(got.credit == wished.credit);
    REQUIRE(got.ancestor == wished.ancestor);
    REQUIRE(got.kinds == wished.kinds);
    REQUIRE(got.min_interval_ms == wished.min_interval_ms);
    REQUIRE(got.keep_ms == wished.keep_ms);
    REQUIRE(got.resume == wished.resume);
    REQUIRE(got.resume_after == wished.resume_after);
  }
}

TEST_CASE("the small requests arrive as they were made", "[unit][messages]") {
  const std::vector<std::string> ids = {"press-1", "gr\xc3\xbc\xc3\x9f", std::string(256, 'x')};
  auto get = sent(make_get(ids));
  CHECK(test::read_texts(get.message().getGet().getIds()) == ids);
  CHECK(sent(make_get({})).message().getGet().getIds().size() == 0);
  for (auto policy : {child_policy::refuse, child_policy::cascade, child_policy::orphan}) {
    auto remove = sent(make_remove(ids, policy));
    CHECK(test::read_texts(remove.message().getRemove().getIds()) == ids);
    CHECK(static_cast<child_policy>(remove.message().getRemove().getChildren()) == policy);
  }
  auto moved = sent(make_lifecycle(ids, 200));
  CHECK(test::read_texts(moved.message().getLifecycle().getIds()) == ids);
  CHECK(moved.message().getLifecycle().getTrigger() == 200);
  CHECK(sent(make_unsubscribe(UINT64_MAX)).message().getUnsubscribe() == UINT64_MAX);
  auto grant = sent(make_grant(9, UINT32_MAX));
  CHECK(grant.message().getGrant().getSubscription() == 9);
  CHECK(grant.message().getGrant().getCredit() == UINT32_MAX);
  CHECK(sent(make_stats_request()).message().isStats());
  auto hello = sent(make_hello("gemel 0.1.0"));
  CHECK(hello.message().getHello().getProtocol() == wire::PROTOCOL_VERSION);
  CHECK(text_of(hello.message().getHello().getProgram()) == "gemel 0.1.0");
}

TEST_CASE("make_update of one twin says the same as a batch of one", "[unit][messages]") {
  const property_ref set[] = {{"temperature", 21.5}, {"label", "a text of more than 14 bytes"}};
  auto read = read_updates(sent(make_update("press-1", set)));
  same(read, {{"press-1", {{set[0].key.data(), set[0].content}, {"label", set[1].content}}, {}}});
  same(read_updates(sent(make_update("press-1", {}))), {{"press-1", {}, {}}});
}

TEST_CASE("make_update of one twin outgrows its scratch unharmed", "[unit][messages]") {
  std::vector<std::string> keys;
  std::vector<property_ref> set;
  for (int i = 0; i < 200; ++i)
    keys.push_back("property number " + std::to_string(i));
  for (const auto& key : keys)
    set.push_back({key, std::string(set.size() * 10, 'v')});
  auto read = read_updates(sent(make_update("press-1", set)));
  REQUIRE(read.size() == 1);
  REQUIRE(read[0].set.size() == 200);
  for (std::size_t i = 0; i < set.size(); ++i) {
    REQUIRE(read[0].set[i].key == keys[i]);
    REQUIRE(read[0].set[i].content == set[i].content);
  }
}

TEST_CASE("an update batch says what was added", "[unit][messages]") {
  const std::string_view keys[] = {"temperature", "pressure"};
  update_batch batch{keys, 3};
  const update_batch::cell both[] = {{0, 21.5}, {1, 3}};
  const update_batch::cell second[] = {{1, {}}};
  batch.add("a", both, 77);
  batch.add("b", second);
  batch.add("c", {});
  same(read_updates(sent(batch.finish())),
       {{"a", {{"temperature", 21.5}, {"pressure", 3}}, {}, 0, 77},
        {"b", {{"pressure", {}}}, {}},
        {"c", {}, {}}});
}

TEST_CASE("an update batch outgrows the memory it was sized for", "[unit][messages]") {
  const std::string_view keys[] = {"a", "b", "c"};
  update_batch batch{keys, 500, 1};
  for (int i = 0; i < 500; ++i) {
    const update_batch::cell set[] = {
        {2, std::string(100, 'x')}, {0, i}, {1, value{value_list{i}}}};
    batch.add(std::string(200, 'i') + std::to_string(i), set);
  }
  auto read = read_updates(sent(batch.finish()));
  REQUIRE(read.size() == 500);
  for (int i = 0; i < 500; ++i) {
    const auto& one = read[static_cast<std::size_t>(i)];
    REQUIRE(one.id == std::string(200, 'i') + std::to_string(i));
    REQUIRE(one.set
            == properties{{"c", std::string(100, 'x')}, {"a", i}, {"b", value{value_list{i}}}});
  }
}

TEST_CASE("an update batch takes exactly as many as it was told", "[unit][messages]") {
  const std::string_view keys[] = {"a"};
  update_batch batch{keys, 1};
  CHECK_THROWS_AS(batch.finish(), broken_invariant);
  batch.add("x", {});
  CHECK_THROWS_AS(batch.add("y", {}), broken_invariant);
  CHECK(read_updates(sent(batch.finish())).size() == 1);
}

// A reader that counts what it follows must never count a frame of ours as too much.
TEST_CASE("a frame as full as it may be passes the check", "[unit][messages]") {
  const std::string_view keys[] = {"t"};
  const update_batch::cell set[] = {{0, 1.5}};
  update_batch batch{keys, 45'000, 1};
  for (int i = 0; i < 45'000; ++i)
    batch.add("m" + std::to_string(i), set);
  auto made = batch.finish();
  REQUIRE(made.size() <= limits::frame_bytes_max);
  REQUIRE(made.size() > limits::frame_bytes_max * 4 / 5);
  auto read = sent(made);
  CHECK(read.message().getUpdate().getUpdates().size() == 45'000);
}

TEST_CASE("a batch of 55,000 small updates passes the check", "[unit][messages]") {
  std::vector<twin_update> updates(55'000);
  for (std::size_t i = 0; i < updates.size(); ++i)
    updates[i] = {std::to_string(i), {}, {"t"}};
  auto made = make_update(updates);
  REQUIRE(made.size() <= limits::frame_bytes_max);
  CHECK(sent(made).message().getUpdate().getUpdates().size() == 55'000);
}

TEST_CASE("a create of many types and keys spells each once", "[unit][messages]") {
  std::vector<new_twin> twins(1'200);
  for (std::size_t i = 0; i < twins.size(); ++i)
    twins[i] = {"t" + std::to_string(i),
                "type" + std::to_string(i % 1'100),
                "",
                {{"k" + std::to_string(i % 1'050), static_cast<std::int64_t>(i)}, {"all", true}},
                ""};
  auto read = sent(make_create(twins));
  CHECK(read.message().getCreate().getTypes().size() == 1'100);
  CHECK(read.message().getCreate().getKeys().size() == 1'051);
  same(test::read_create(read.message().getCreate()), twins);
}
