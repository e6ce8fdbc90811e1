#include "registry/lifecycle.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>

using namespace gemel;

namespace {

using state = lifecycle_state;
using trigger = lifecycle_trigger;

// The whole table as a list of arrows, written down a second time.
const std::map<std::pair<state, trigger>, state> arrows{
    {{state::provisioned, trigger::activate}, state::active},
    {{state::provisioned, trigger::data_seen}, state::active},
    {{state::provisioned, trigger::give_up}, state::faulted},
    {{state::provisioned, trigger::retire}, state::retired},
    {{state::active, trigger::suspend}, state::suspended},
    {{state::active, trigger::data_missed}, state::stale},
    {{state::active, trigger::data_seen}, state::active},
    {{state::active, trigger::give_up}, state::faulted},
    {{state::active, trigger::retire}, state::retired},
    {{state::suspended, trigger::resume}, state::active},
    {{state::suspended, trigger::give_up}, state::faulted},
    {{state::suspended, trigger::retire}, state::retired},
    {{state::stale, trigger::suspend}, state::suspended},
    {{state::stale, trigger::data_seen}, state::active},
    {{state::stale, trigger::give_up}, state::faulted},
    {{state::stale, trigger::retire}, state::retired},
    {{state::faulted, trigger::give_up}, state::faulted},
    {{state::faulted, trigger::repair}, state::active},
    {{state::faulted, trigger::retire}, state::retired},
    {{state::retired, trigger::remove}, state::deleted},
};

template <class Visit>
void for_each_pair(Visit visit) {
  for (std::size_t s = 0; s < lifecycle_states; ++s)
    for (std::size_t t = 0; t < lifecycle_triggers; ++t)
      visit(static_cast<state>(s), static_cast<trigger>(t));
}

// The triggers that the text after "possible from there: " names.
std::set<std::string> named_moves(const std::string& text) {
  std::set<std::string> names;
  const std::string mark = "possible from there: ";
  auto at = text.find(mark);
  if (at == std::string::npos)
    return names;
  auto list = text.substr(at + mark.size()) + ", ";
  for (std::size_t start = 0, end = 0; (end = list.find(", ", start)) != std::string::npos;
       start = end + 2)
    names.insert(list.substr(start, end - start));
  return names;
}

// Those that a person can ask for.
std::set<std::string> legal_moves(state from) {
  std::set<std::string> names;
  const std::set<trigger> inner{trigger::data_missed, trigger::data_seen, trigger::give_up};
  for (const auto& [move, to] : arrows)
    if (move.first == from && !inner.contains(move.second))
      names.insert(std::string{to_string(move.second)});
  return names;
}

} // namespace

TEST_CASE("the lifecycle table allows its arrows and nothing else", "[unit][registry]") {
  std::size_t legal = 0;
  for_each_pair([&](state from, trigger what) {
    INFO(to_string(what) << " of " << to_string(from));
    auto arrow = arrows.find({from, what});
    auto to = next(from, what);
    REQUIRE(to.has_value() == (arrow != arrows.end()));
    if (to) {
      ++legal;
      CHECK(*to == arrow->second);
    }
  });
  CHECK(legal == arrows.size());
}

TEST_CASE("an illegal move names what a person may do instead", "[unit][registry]") {
  for_each_pair([&](state from, trigger what) {
    if (auto to = next(from, what); !to) {
      INFO(to.error().context);
      CHECK(to.error().code == errc::illegal_state);
      CHECK(to.error().context.find("'" + std::string{to_string(what)} + "'") == 0);
      CHECK(to.error().context.find(to_string(from)) != std::string::npos);
      CHECK(named_moves(to.error().context) == legal_moves(from));
    }
  });
  CHECK(next(state::deleted, trigger::repair).error().context
        == "'repair' of a twin that is deleted; nothing is possible from there");
}

TEST_CASE("a twin takes updates exactly where data_seen is a legal move", "[unit][registry]") {
  for (std::size_t s = 0; s < lifecycle_states; ++s) {
    auto from = static_cast<state>(s);
    auto to = next(from, trigger::data_seen);
    INFO(to_string(from));
    CHECK(accepts_updates(from) == to.has_value());
    if (to)
      CHECK(*to == state::active);
    else
      CHECK(named_moves(takes_no_updates(from).context) == legal_moves(from));
  }
  CHECK(takes_no_updates(state::suspended)
        == error{errc::illegal_state, "a twin that is suspended takes no updates; possible from "
                                      "there: resume, retire"});
}

TEST_CASE("only a retired twin can be deleted, and nothing comes back from there",
          "[unit][registry]") {
  for_each_pair([&](state from, trigger what) {
    auto to = next(from, what);
    if (to && *to == state::deleted)
      CHECK(from == state::retired);
    if (from == state::retired && to)
      CHECK(*to == state::deleted);
  });
}

TEST_CASE("a lifecycle number from a message that is none is refused", "[unit][registry]") {
  auto bad_state = next(static_cast<state>(lifecycle_states), trigger::retire);
  REQUIRE(!bad_state);
  CHECK(bad_state.error() == error{errc::bad_value, "7 is no lifecycle state"});
  auto bad_trigger = next(state::active, static_cast<trigger>(lifecycle_triggers));
  REQUIRE(!bad_trigger);
  CHECK(bad_trigger.error() == error{errc::bad_value, "9 is no lifecycle trigger"});
  CHECK(to_string(static_cast<state>(200)) == "unknown");
  CHECK(to_string(static_cast<trigger>(200)) == "unknown");
  CHECK_FALSE(accepts_updates(static_cast<state>(200)));
}

TEST_CASE("trigger names are read back, others are refused with the right ones",
          "[unit][registry]") {
  for_each_pair([&](state, trigger t) { CHECK(lifecycle_trigger_from_string(to_string(t)) == t); });
  auto bad_trigger = lifecycle_trigger_from_string("");
  REQUIRE(!bad_trigger);
  CHECK(bad_trigger.error()
        == error{errc::bad_value,
                 "'' is no lifecycle trigger; it is one of activate, suspend, resume, data_missed, "
                 "data_seen, give_up, repair, retire, remove"});
}
