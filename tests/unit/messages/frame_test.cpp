#include "messages/frame.hpp"
#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_messages.hpp"
#include "tests/support/read_frame.hpp"
#include "tests/support/seed.hpp"

#include <capnp/any.h>
#include <capnp/schema.h>

#include <cstring>
#include <functional>
#include <thread>
#include <vector>

using namespace gemel;

namespace {

using bytes = std::vector<std::byte>;
using words = std::vector<std::uint64_t>;

bytes bytes_of(const frame& f) {
  return {f.bytes().begin(), f.bytes().end()};
}

bytes bytes_of(const words& w) {
  bytes made(w.size() * sizeof(w[0]));
  std::memcpy(made.data(), w.data(), made.size());
  return made;
}

// The error that `check` answers to the message that `fill` writes.
error refusal(const std::function<void(wire::Message::Builder)>& fill) {
  capnp::MallocMessageBuilder builder;
  fill(builder.initRoot<wire::Message>());
  auto checked = frame::check(frame::build(builder).bytes());
  return checked ? error{} : checked.error();
}

error refusal(std::span<const std::byte> raw) {
  auto checked = frame::check(raw);
  return checked ? error{} : checked.error();
}

// An update of the twin "t" with the keys "a" and "b"; `fill` writes what is wrong.
error update_refusal(const std::function<void(wire::Update::Builder)>& fill) {
  return refusal([&](wire::Message::Builder message) {
    auto batch = message.initUpdate();
    auto keys = batch.initKeys(2);
    keys.set(0, "a");
    keys.set(1, "b");
    auto updates = batch.initUpdates(2);
    updates[0].setId("first");
    updates[1].setId("t");
    fill(updates[1]);
  });
}

error value_refusal(const std::function<void(wire::Value::Builder)>& fill) {
  return update_refusal([&](wire::Update::Builder one) { fill(one.initSet(1)[0]); });
}

// Writes the number of a union's member that no schema knows.
template <class Struct>
void set_tag(typename Struct::Builder target, std::uint16_t tag) {
  auto offset = capnp::Schema::from<Struct>().getProto().getStruct().getDiscriminantOffset();
  auto data = capnp::AnyStruct::Builder{capnp::toAny(target)}.getDataSection();
  std::memcpy(data.begin() + offset * sizeof tag, &tag, sizeof tag);
}

// Lists (or maps) `depth` deep around a null.
void nest(wire::Value::Builder target, std::size_t depth, bool maps) {
  if (depth == 0)
    return target.setNull();
  if (maps)
    return nest(target.initMap(1)[0].initValue(), depth - 1, maps);
  nest(target.initList(1)[0], depth - 1, maps);
}

// Pointers as they stand in a frame (Cap'n Proto, "Encoding spec"); offsets in words.
std::uint64_t struct_pointer(std::int32_t offset, std::uint64_t data, std::uint64_t pointers) {
  return (static_cast<std::uint32_t>(offset) << 2) | data << 32 | pointers << 48;
}
std::uint64_t list_pointer(std::int32_t offset, std::uint64_t element_size, std::uint64_t count) {
  return (static_cast<std::uint32_t>(offset) << 2) | 1U | element_size << 32 | count << 35;
}
std::uint64_t far_pointer(std::uint64_t offset, std::uint64_t segment) {
  return 2U | offset << 3 | segment << 32;
}

// The words of an empty `Get` up to its `ids` pointer, which is the last word.
words remove_head() {
  capnp::MallocMessageBuilder builder;
  builder.initRoot<wire::Message>().initRemove();
  auto made = frame::build(builder);
  words w(made.size() / sizeof(std::uint64_t));
  std::memcpy(w.data(), made.bytes().data(), made.size());
  return w;
}

bool named(const error& refused) {
  switch (refused.code) {
  case errc::bad_frame:
  case errc::bad_name:
  case errc::bad_value:
  case errc::limit_reached:
    return !refused.context.empty() && refused.context.size() < 1'000 && is_utf8(refused.context);
  default:
    return false;
  }
}

// Either refused by name, or whole: readable to the last byte, and accepted again.
bool refused_or_sound(std::span<const std::byte> raw) {
  auto checked = frame::check(raw);
  if (!checked)
    return named(checked.error());
  test::read_everything(*checked);
  return frame::check(checked->bytes()).has_value();
}

void mutate(bytes& raw, test::random_messages& random) {
  auto word = [&] { return random.below(raw.size() / 8) * 8; };
  switch (random.below(6)) {
  case 0:
    raw[random.below(raw.size())] ^= std::byte{1} << random.below(8);
    break;
  case 1:
    raw[random.below(raw.size())] = static_cast<std::byte>(random.below(256));
    break;
  case 2: // a pointer to another place
    std::memcpy(raw.data() + word(), raw.data() + word(), 4);
    break;
  case 3: {
    auto from = word();
    auto to = word();
    std::memmove(raw.data() + to, raw.data() + from, 8);
    break;
  }
  case 4:
    raw.resize(raw.size() - 8 * random.below(std::min<std::size_t>(raw.size() / 8, 4)));
    break;
  default: { // a small step of an offset or a size
    auto at = word() + 4 * random.below(2);
    std::uint32_t half;
    std::memcpy(&half, raw.data() + at, 4);
    half += static_cast<std::uint32_t>(4 * random.below(9)) - 16;
    std::memcpy(raw.data() + at, &half, 4);
  }
  }
}

} // namespace

TEST_CASE("a frame without a message is empty", "[unit][messages]") {
  frame none;
  CHECK_FALSE(none);
  CHECK(none.size() == 0);
  CHECK(none.bytes().empty());
  CHECK_THROWS_AS(none.message(), broken_invariant);
  frame copy{none};
  frame moved{std::move(copy)};
  CHECK_FALSE(moved);
}

TEST_CASE("copies of a frame share one message", "[unit][messages]") {
  auto first = make_unsubscribe(7);
  frame copy{first};
  CHECK(copy.bytes().data() == first.bytes().data());
  frame assigned;
  assigned = copy;
  first = frame{};
  copy = frame{};
  CHECK_FALSE(first);
  CHECK(assigned.message().getUnsubscribe() == 7);
  const auto& itself = assigned;
  assigned = itself;
  CHECK(assigned.message().getUnsubscribe() == 7);
}

TEST_CASE("a moved frame takes its message along", "[unit][messages]") {
  auto first = make_unsubscribe(7);
  const auto* where = first.bytes().data();
  frame second{std::move(first)};
  CHECK_FALSE(first);
  CHECK(second.bytes().data() == where);
  auto third = make_unsubscribe(8);
  third = std::move(second);
  CHECK_FALSE(second);
  CHECK(third.message().getUnsubscribe() == 7);
  auto& same = third; // Named otherwise, since compilers see through a plain self-move.
  third = std::move(same);
  CHECK(third.message().getUnsubscribe() == 7);
}

TEST_CASE("threads may copy and drop one frame at the same time", "[unit][messages]") {
  auto shared = make_unsubscribe(7);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([mine = shared, &wrong] {
      for (int k = 0; k < 20'000; ++k) {
        frame copy{mine};
        wrong += copy.message().getUnsubscribe() != 7;
      }
    });
  for (auto& one : threads)
    one.join();
  CHECK(wrong == 0);
  CHECK(shared.message().getUnsubscribe() == 7);
}

TEST_CASE("build makes one segment of many", "[unit][messages]") {
  capnp::MallocMessageBuilder builder{4, capnp::AllocationStrategy::FIXED_SIZE};
  auto ids = builder.initRoot<wire::Message>().initGet().initIds(300);
  for (unsigned i = 0; i < ids.size(); ++i)
    ids.set(i, std::string(i + 1, 'x').substr(0, 256));
  REQUIRE(builder.getSegmentsForOutput().size() > 100);
  auto made = frame::build(builder);
  CHECK(reinterpret_cast<std::uintptr_t>(made.bytes().data()) % 8 == 0);
  auto checked = frame::check(made.bytes());
  REQUIRE(checked);
  CHECK(test::read_texts(checked->message().getGet().getIds())
        == test::read_texts(builder.getRoot<wire::Message>().asReader().getGet().getIds()));
}

TEST_CASE("check takes bytes at any address and keeps none of them", "[unit][messages]") {
  auto made = make_hello("gemel");
  for (std::size_t shift = 0; shift < 8; ++shift) {
    bytes room(made.size() + 8);
    std::memcpy(room.data() + shift, made.bytes().data(), made.size());
    auto checked = frame::check(std::span{room}.subspan(shift, made.size()));
    room.assign(room.size(), std::byte{0xff});
    REQUIRE(checked);
    CHECK(text_of(checked->message().getHello().getProgram()) == "gemel");
    CHECK(reinterpret_cast<std::uintptr_t>(checked->bytes().data()) % 8 == 0);
  }
}

TEST_CASE("check refuses what is no whole number of words or too many", "[unit][messages]") {
  CHECK(refusal(bytes{}).code == errc::bad_frame);
  CHECK(refusal(bytes(7)).context
        == "a frame of 7 bytes; whole, non-empty 8-byte words are expected");
  CHECK(refusal(bytes(limits::frame_bytes_max + 8)).context
        == "a frame of 4194312 bytes, at most 4194304 are allowed");
  CHECK(refusal(bytes(limits::frame_bytes_max))
        == error{errc::bad_frame, "message: an empty message"});
}

TEST_CASE("check refuses every truncation of every kind of frame by name", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (std::size_t kind = 0; kind < test::random_messages::kinds; ++kind) {
    auto whole = bytes_of(random.any_frame(kind));
    REQUIRE(frame::check(whole));
    for (std::size_t size = 0; size < std::min<std::size_t>(whole.size(), 4'096); ++size) {
      bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      INFO("kind " << kind << ", " << size << " of " << whole.size() << " bytes");
      REQUIRE(named(refusal(cut)));
    }
  }
}

TEST_CASE("every flipped bit of a frame is refused or harmless", "[unit][messages]") {
  const std::vector<twin_update> updates = {
      {"press-1", {{"t", 1.5}, {"l", value{value_list{1, "x"}}}}, {"u"}, 3, 4},
      {"press-2", {{"m", value{value_map{{"k", true}}}}}, {}}};
  twin_event event;
  event.id = "press-1";
  event.type = "press";
  event.changes = {{"t", 1, "a text of more than 14 bytes"}};
  for (const auto& made : {make_update(updates), test::make_events({&event, 1})}) {
    auto raw = bytes_of(made);
    for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
      raw[bit / 8] ^= std::byte{1} << (bit % 8);
      INFO("bit " << bit);
      REQUIRE(refused_or_sound(raw));
      raw[bit / 8] ^= std::byte{1} << (bit % 8);
    }
  }
}

TEST_CASE("random damage to every kind of frame is refused or harmless", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (std::size_t i = 0; i < test::random_messages::kinds * 400; ++i) {
    auto raw = bytes_of(random.any_frame(i));
    for (auto damages = 1 + random.below(4); damages > 0; --damages)
      mutate(raw, random);
    INFO("frame " << i);
    REQUIRE(refused_or_sound(raw));
  }
}

TEST_CASE("random words are refused or harmless", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 5'000; ++i) {
    words w = remove_head();
    w.resize(w.size() + random.below(30));
    for (auto k = w.size(); k-- > 3;)
      w[k] = random.chance(50) ? random.below(64) : random.below(UINT64_MAX);
    REQUIRE(refused_or_sound(bytes_of(w)));
  }
}

TEST_CASE("a key index out of range is refused with its place", "[unit][messages]") {
  CHECK(update_refusal([](auto one) {
          auto set = one.initSet(2);
          set[1].setKey(2);
        })
        == error{errc::bad_frame, "update.updates[1].set[1]: key 2 of 2 keys"});
  CHECK(update_refusal([](auto one) { one.initUnset(1).set(0, 65'535); })
        == error{errc::bad_frame, "update.updates[1].unset[0]: key 65535 of 2 keys"});
}

TEST_CASE("a type index out of range is refused with its place", "[unit][messages]") {
  CHECK(refusal([](auto m) { m.initCreate().initCreates(1)[0].setType(0); })
        == error{errc::bad_frame, "create.creates[0]: type 0 of 0 types"});
  CHECK(refusal([](auto m) {
          auto page = m.initReply().initPage();
          page.initTypes(1).set(0, "press");
          auto twin = page.initTwins(1)[0];
          twin.setId("t");
          twin.setType(1);
        })
        == error{errc::bad_frame, "reply.page.twins[0]: type 1 of 1 types"});
}

TEST_CASE("a key that comes twice in one update is refused", "[unit][messages]") {
  CHECK(update_refusal([](auto one) {
          auto set = one.initSet(2);
          set[0].setKey(1);
          set[1].setKey(1);
        })
        == error{errc::bad_value, "update.updates[1].set[1]: the same key twice"});
  CHECK(update_refusal([](auto one) {
          one.initSet(1)[0].setKey(1);
          one.initUnset(1).set(0, 1);
        })
        == error{errc::bad_value, "update.updates[1].unset[0]: the same key twice"});
}

// Two numbers of one key would otherwise set one property twice.
TEST_CASE("a key that is spelt twice is refused", "[unit][messages]") {
  CHECK(refusal([](auto m) {
          auto batch = m.initUpdate();
          auto keys = batch.initKeys(4);
          keys.set(0, "b");
          keys.set(1, "a");
          keys.set(2, "c");
          keys.set(3, "a");
        })
        == error{errc::bad_value, "update.keys[3]: the same key twice"});
}

TEST_CASE("malformed names and texts are refused with their place", "[unit][messages]") {
  CHECK(update_refusal([](auto one) { one.setId("t\xff"); })
        == error{errc::bad_name, "update.updates[1].id: twin id is not UTF-8"});
  CHECK(update_refusal([](auto one) { one.setId("a/b"); })
        == error{errc::bad_name, "update.updates[1].id: twin id 'a/b' holds a '/'"});
  CHECK(update_refusal([](auto one) { one.setId(""); })
        == error{errc::bad_name, "update.updates[1].id: twin id is empty"});
  CHECK(value_refusal([](auto v) { v.setText("\xed\xa0\x80"); })
        == error{errc::bad_frame, "update.updates[1].set[0].text: not UTF-8"});
  CHECK(value_refusal([](auto v) { v.initMap(2)[1].setKey("\x80"); })
        == error{errc::bad_frame, "update.updates[1].set[0].map[1].key: not UTF-8"});
  CHECK(refusal([](auto m) { m.initUpdate().initKeys(1).set(0, "\xc0\x80"); })
        == error{errc::bad_name, "update.keys[0]: property key is not UTF-8"});
  CHECK(refusal([](auto m) { m.initCreate().initTypes(1).set(0, "a\x01"); })
        == error{errc::bad_name, "create.types[0]: twin type holds a control character"});
  CHECK(refusal([](auto m) { m.initGet().initIds(2).set(0, "a"); })
        == error{errc::bad_name, "get.ids[1]: twin id is empty"});
  CHECK(refusal([](auto m) { m.initQuery().setWhere("\xff"); })
        == error{errc::bad_frame, "query.where: not UTF-8"});
  CHECK(refusal([](auto m) { m.initReply().initError().setContext("\xff"); })
        == error{errc::bad_frame, "reply.error.context: not UTF-8"});
}

TEST_CASE("values nest 32 deep and no deeper", "[unit][messages]") {
  for (bool maps : {false, true}) {
    CHECK(value_refusal([&](auto v) { nest(v, 32, maps); }) == error{});
    auto refused = value_refusal([&](auto v) { nest(v, 33, maps); });
    CHECK(refused.code == errc::limit_reached);
    std::string place = "update.updates[1].set[0]";
    for (int i = 0; i < 32; ++i)
      place += maps ? ".map[0]" : ".list[0]";
    CHECK(refused.context == place + ": values nest deeper than 32");
    CHECK(value_refusal([&](auto v) { nest(v, 2'000, maps); }).code == errc::bad_frame);
  }
}

TEST_CASE("what JSON takes as a value may cross the wire", "[unit][messages]") {
  auto deepest = value_from_json(std::string(32, '[') + "1" + std::string(32, ']'));
  REQUIRE(deepest);
  const property_ref set[] = {{"a", *deepest}};
  auto checked = frame::check(make_update("t", set).bytes());
  REQUIRE(checked);
  CHECK(read_value(checked->message().getUpdate().getUpdates()[0].getSet()[0]) == *deepest);
}

TEST_CASE("too many entries are refused with their place", "[unit][messages]") {
  CHECK(update_refusal([](auto one) { one.initSet(1'025); })
        == error{errc::limit_reached,
                 "update.updates[1].set: 1025 entries, at most 1024 are allowed"});
  CHECK(update_refusal([](auto one) { one.initUnset(1'025); }).code == errc::limit_reached);
  CHECK(refusal([](auto m) { m.initGet().initIds(65'537); })
        == error{errc::limit_reached, "get.ids: 65537 entries, at most 65536 are allowed"});
  CHECK(refusal([](auto m) { m.initUpdate().initKeys(65'537); }).code == errc::limit_reached);
  CHECK(refusal([](auto m) { m.initQuery().initSelect(1'025); })
        == error{errc::limit_reached, "query.select: 1025 entries, at most 1024 are allowed"});
  CHECK(value_refusal([](auto v) { v.initList(65'536); }) == error{});
  CHECK(value_refusal([](auto v) { v.initList(65'537); })
        == error{errc::limit_reached,
                 "update.updates[1].set[0].list: 65537 entries, at most 65536 are allowed"});
}

TEST_CASE("too long texts are refused with their place", "[unit][messages]") {
  const std::string longest(limits::text_bytes_max, 'x');
  CHECK(value_refusal([&](auto v) { v.setText(longest); }) == error{});
  CHECK(value_refusal([&](auto v) { v.setText(longest + "x"); })
        == error{errc::limit_reached, "update.updates[1].set[0].text: 1048577 bytes of text, at "
                                      "most 1048576 are allowed"});
  CHECK(value_refusal([&](auto v) { v.initBytes(limits::text_bytes_max); }) == error{});
  CHECK(value_refusal([&](auto v) { v.initBytes(limits::text_bytes_max + 1); })
        == error{errc::limit_reached,
                 "update.updates[1].set[0].bytes: 1048577 bytes, at most 1048576 are allowed"});
  CHECK(refusal([&](auto m) { m.initQuery().setWhere(std::string(16'385, '1')); }).code
        == errc::limit_reached);
  CHECK(update_refusal([&](auto one) { one.setId(std::string(257, 'x')); }).code == errc::bad_name);
}

TEST_CASE("unknown kinds are refused with their place", "[unit][messages]") {
  CHECK(refusal([](auto m) { set_tag<wire::Message>(m, 21); })
        == error{errc::bad_frame, "message: unknown kind of message"});
  CHECK(refusal([](auto m) { set_tag<wire::Message>(m, 65'535); }).code == errc::bad_frame);
  CHECK(refusal([](auto m) { set_tag<wire::Reply>(m.initReply(), 9); })
        == error{errc::bad_frame, "reply: unknown kind of reply"});
  CHECK(value_refusal([](auto v) { set_tag<wire::Value>(v, 8); })
        == error{errc::bad_frame, "update.updates[1].set[0]: unknown kind of value"});
  CHECK(value_refusal([](auto v) { set_tag<wire::Value>(v.initList(3)[2], 8); })
        == error{errc::bad_frame, "update.updates[1].set[0].list[2]: unknown kind of value"});
  CHECK(refusal([](auto m) { m.initRemove().setChildren(static_cast<wire::ChildPolicy>(3)); })
        == error{errc::bad_frame, "remove: unknown policy for children"});
}

TEST_CASE("an event must be of a known kind and state and hold all old values",
          "[unit][messages]") {
  auto event_refusal = [](auto fill) {
    return refusal([&](wire::Message::Builder m) {
      auto batch = m.initEvents();
      batch.initTypes(1).set(0, "press");
      auto keys = batch.initKeys(2);
      keys.set(0, "a");
      keys.set(1, "b");
      auto event = batch.initEvents(1)[0];
      event.setId("t");
      fill(event);
    });
  };
  CHECK(event_refusal([](wire::Event::Builder) {}) == error{});
  CHECK(event_refusal([](auto e) { e.setKind(static_cast<wire::EventKind>(7)); })
        == error{errc::bad_frame, "events.events[0]: unknown kind of event"});
  CHECK(event_refusal([](auto e) { e.setLifecycle(7); })
        == error{errc::bad_frame, "events.events[0]: unknown lifecycle state 7"});
  CHECK(event_refusal([](auto e) { e.initChanges(1); })
        == error{errc::bad_frame, "events.events[0]: as many old values as new ones are expected"});
  CHECK(event_refusal([](auto e) { e.initPrevious(1); }).code == errc::bad_frame);
  CHECK(event_refusal([](auto e) {
          e.initChanges(2)[1].setKey(0);
          e.initPrevious(2);
        })
        == error{errc::bad_value, "events.events[0].changes[1]: the same key twice"});
  CHECK(event_refusal([](auto e) {
          e.initChanges(1);
          e.initPrevious(1)[0].setKey(2);
        })
        == error{errc::bad_frame, "events.events[0].previous[0]: key 2 of 2 keys"});
}

TEST_CASE("control messages and empty ones do not come from outside", "[unit][messages]") {
  CHECK(refusal([](auto m) { m.initControl().setOpen(); })
        == error{errc::bad_frame, "message: a control message from outside"});
  CHECK(refusal([](auto m) { m.setNothing(); })
        == error{errc::bad_frame, "message: an empty message"});
}

// Cap'n Proto finds this when the field is read, so every pointer must be read by the check.
TEST_CASE("a pointer of the wrong kind is refused with its place", "[unit][messages]") {
  for (auto which :
       {wire::Message::CREATE, wire::Message::UPDATE, wire::Message::GET, wire::Message::REMOVE,
        wire::Message::LIFECYCLE, wire::Message::QUERY, wire::Message::SUBSCRIBE,
        wire::Message::GRANT, wire::Message::HELLO, wire::Message::REPLY, wire::Message::EVENTS}) {
    auto refused = refusal([&](wire::Message::Builder m) {
      set_tag<wire::Message>(m, which);
      capnp::toAny(m).getPointerSection()[0].setAs<capnp::Text>("no struct");
    });
    INFO("kind " << which << ": " << refused.context);
    CHECK(refused.code == errc::bad_frame);
    CHECK(refused.context.find(": ") < 12);
  }
  auto wrong = value_refusal([](wire::Value::Builder v) {
    v.initText(1);
    capnp::toAny(v).getPointerSection()[0].initAs<wire::Value>();
  });
  CHECK(wrong.code == errc::bad_frame);
  CHECK(wrong.context.rfind("update.updates[1].set[0]: ", 0) == 0);
}

TEST_CASE("pointers that lead nowhere or in circles are refused", "[unit][messages]") {
  auto head = remove_head();
  auto last = head.size() - 1;
  auto with = [&](std::uint64_t pointer) {
    head[last] = pointer;
    return refusal(bytes_of(head));
  };
  CHECK(with(list_pointer(0, 6, 1)).code == errc::bad_frame);
  CHECK(with(list_pointer(-1'000'000, 6, 1)).code == errc::bad_frame);
  CHECK(with(list_pointer(-1, 6, 1)).code == errc::bad_frame);
  CHECK(with(struct_pointer(-1, 0, 1)).code == errc::bad_frame);
  // Elements of no size cost nothing on the wire, but each is work.
  CHECK(with(list_pointer(0, 0, (1U << 29) - 1)).code == errc::bad_frame);
  CHECK(with(3).code == errc::bad_frame);                     // a capability
  CHECK(with(far_pointer(0, 1)).code == errc::bad_frame);     // another segment
  CHECK(with(far_pointer(last, 0)).code == errc::bad_frame);  // its own landing pad
  CHECK(with(far_pointer(0, 0) | 4).code == errc::bad_frame); // a pad of two words
  head[0] = struct_pointer(-1, 2, 1);                         // the root is its own content
  CHECK_FALSE(frame::check(bytes_of(head)));
}

TEST_CASE("a far pointer inside the one segment is read as what it means", "[unit][messages]") {
  auto w = remove_head();
  auto pad = w.size();
  w.back() = far_pointer(pad, 0);
  w.push_back(list_pointer(0, 6, 1));
  w.push_back(list_pointer(0, 2, 2));
  w.push_back('x');
  auto checked = frame::check(bytes_of(w));
  REQUIRE(checked);
  CHECK(test::read_texts(checked->message().getRemove().getIds()) == std::vector<std::string>{"x"});
}

// The elements cost a reader work but the frame nothing; words that nothing points to paid for
// them, so that one node took the frame and the next one, which got it without those words, did
// not.
TEST_CASE("unused words do not pay for elements without a size", "[unit][messages]") {
  capnp::MallocMessageBuilder builder;
  auto batch = builder.initRoot<wire::Message>().initUpdate();
  batch.initKeys(1).set(0, "a");
  auto update = batch.initUpdates(1)[0];
  update.setId("t");
  auto list = update.initSet(1)[0];
  list.initList(0);
  capnp::AnyStruct::Builder{capnp::toAny(list)}.getPointerSection()[0].initAsAnyList(
      capnp::ElementSize::VOID, 40);
  auto raw = bytes_of(frame::build(builder));
  CHECK(refusal(raw).code == errc::bad_frame);
  raw.resize(raw.size() + 40 * 8);
  CHECK(refusal(raw).code == errc::bad_frame);
  auto sound = bytes_of(make_unsubscribe(7));
  sound.resize(sound.size() + 40 * 8);
  auto checked = frame::check(sound);
  REQUIRE(checked);
  CHECK(checked->size() == make_unsubscribe(7).size());
}

// A thousand pointers to one text would grow a frame of 10 kB to 250 kB, nested ones without bound.
TEST_CASE("pointers that share their target are refused", "[unit][messages]") {
  constexpr std::int32_t count = 1'000;
  auto w = remove_head();
  w.back() = list_pointer(0, 6, count);
  for (std::int32_t i = 0; i < count; ++i)
    w.push_back(list_pointer(count - 1 - i, 2, 256));
  for (int i = 0; i < 32; ++i)
    w.push_back(i < 31 ? 0x6161'6161'6161'6161U : 0x0061'6161'6161'6161U);
  auto refused = refusal(bytes_of(w));
  CHECK(refused.code == errc::bad_frame);
  CHECK(refused.context.size() < 1'000);
}

TEST_CASE("lists of lists that share their target are refused soon", "[unit][messages]") {
  capnp::MallocMessageBuilder builder;
  auto batch = builder.initRoot<wire::Message>().initUpdate();
  batch.initKeys(1).set(0, "a");
  auto update = batch.initUpdates(1)[0];
  update.setId("t");
  nest(update.initSet(1)[0], 30, true);
  auto made = bytes_of(frame::build(builder));
  // Every pointer of a pair of words is made to lead where its neighbour leads.
  for (std::size_t at = 8; at + 16 <= made.size(); at += 8) {
    auto shared = made;
    std::memcpy(shared.data() + at, shared.data() + at + 8, 8);
    INFO("word " << at / 8);
    CHECK(refused_or_sound(shared));
    // Backwards: a circle.
    std::uint64_t pointer = struct_pointer(-static_cast<std::int32_t>(at / 8), 2, 1);
    std::memcpy(shared.data() + at, &pointer, 8);
    CHECK(refused_or_sound(shared));
  }
}
