#include "runtime/twin_api.hpp"

#include "messages/replies.hpp"
#include "runtime/adapters/machine.hpp"

#include <algorithm>
#include <future>
#include <memory>
#include <numeric>

namespace gemel {

namespace {

// A batch of one entry, as a result of its own.
result<outcome> only_entry(result<outcome> answer) {
  if (answer && !answer->failures.empty())
    return tl::unexpected<error>(std::move(answer->failures.front().why));
  return answer;
}

result<void> nothing(result<outcome> answer) {
  auto one = only_entry(std::move(answer));
  if (!one)
    return tl::unexpected<error>(std::move(one.error()));
  return {};
}

} // namespace

frame twin_api::ask(frame asked) {
  // Shared: a reply may come after we stopped waiting.
  auto answer = std::make_shared<std::promise<frame>>();
  auto waiting = answer->get_future();
  request(std::move(asked), [answer](frame content) { answer->set_value(std::move(content)); });
  if (waiting.wait_for(patience_) != std::future_status::ready)
    return make_error_reply(
        {errc::timed_out, "no answer within " + std::to_string(patience_.count()) + " ms"});
  return waiting.get();
}

result<std::string> twin_api::create(const new_twin& twin, std::optional<durability> wanted) {
  auto made = only_entry(create(std::span{&twin, 1}, wanted));
  if (!made)
    return tl::unexpected<error>(std::move(made.error()));
  return std::move(made->ids.front());
}

result<outcome> twin_api::create(std::span<const new_twin> twins,
                                 std::optional<durability> wanted) {
  return expect_outcome(ask(make_create(twins, wanted)));
}

result<void> twin_api::update(std::string_view id, std::initializer_list<property_ref> set) {
  return nothing(expect_outcome(ask(make_update(id, {set.begin(), set.size()}))));
}

result<void> twin_api::update(const twin_update& change) {
  return nothing(update(std::span{&change, 1}));
}

result<outcome> twin_api::update(std::span<const twin_update> changes,
                                 const update_options& options) {
  return expect_outcome(ask(make_update(changes, options)));
}

result<outcome> twin_api::update_patiently(std::span<const twin_update> changes) {
  std::vector<twin_update> left{changes.begin(), changes.end()};
  std::vector<std::uint32_t> places(left.size()); // in `changes`, of those left
  std::iota(places.begin(), places.end(), 0u);
  outcome all;
  for (auto waited = std::chrono::milliseconds{0};;) {
    auto done = update(left);
    if (!done)
      return done;
    all.applied += done->applied;
    std::chrono::milliseconds wait{0};
    std::vector<twin_update> again;
    std::vector<std::uint32_t> again_places;
    for (auto& failed : done->failures) {
      if (failed.why.code != errc::overloaded || waited >= patience_) {
        all.failures.push_back({places.at(failed.index), std::move(failed.why)});
        continue;
      }
      wait = std::max(wait, std::chrono::milliseconds{std::max(failed.why.retry_after_ms, 1u)});
      again.push_back(std::move(left.at(failed.index)));
      again_places.push_back(places.at(failed.index));
    }
    if (again.empty())
      break;
    wait = std::min(wait, patience_ - waited);
    pause(wait);
    waited += wait;
    left = std::move(again);
    places = std::move(again_places);
  }
  std::sort(all.failures.begin(), all.failures.end(),
            [](const failure& a, const failure& b) { return a.index < b.index; });
  return all;
}

result<twin_record> twin_api::get(std::string_view id_or_path) {
  return get_one(id_or_path, false);
}

result<twin_record> twin_api::get_with_stamps(std::string_view id_or_path) {
  return get_one(id_or_path, true);
}

result<twin_page> twin_api::get(std::span<const std::string> ids) {
  return expect_page(ask(make_get(ids)));
}

result<twin_record> twin_api::get_one(std::string_view id_or_path, bool with_stamps) {
  bool is_path = id_or_path.starts_with('/');
  std::string id{is_path ? id_or_path.substr(id_or_path.rfind('/') + 1) : id_or_path};
  auto page = expect_page(ask(make_get(std::span{&id, 1}, {}, with_stamps)));
  if (!page)
    return tl::unexpected<error>(std::move(page.error()));
  if (page->twins.empty() || (is_path && page->twins.front().path != id_or_path))
    return fail(errc::twin_not_found, std::string{id_or_path});
  return std::move(page->twins.front());
}

result<twin_record> twin_api::get_by(const twin_alias& alias) {
  auto page = expect_page(ask(make_get({}, std::span{&alias, 1})));
  if (!page)
    return tl::unexpected<error>(std::move(page.error()));
  if (page->twins.empty())
    return fail(errc::twin_not_found, alias.property + "=" + to_string(alias.content));
  return std::move(page->twins.front());
}

result<std::vector<type_record>> twin_api::types() {
  return expect_types(ask(make_types_request()));
}

result<twin_page> twin_api::query(const query_request& asked) {
  return expect_page(ask(make_query(asked)));
}

result<std::vector<twin_record>> twin_api::query_all(query_request asked) {
  std::vector<twin_record> all;
  for (;;) {
    auto page = query(asked);
    if (!page)
      return tl::unexpected<error>(std::move(page.error()));
    std::move(page->twins.begin(), page->twins.end(), std::back_inserter(all));
    if (page->next.empty())
      return all;
    asked.page_token = std::move(page->next);
  }
}

result<std::uint64_t> twin_api::count(query_request asked) {
  asked.count_only = true;
  return query(asked).map([](const twin_page& page) { return page.total; });
}

result<void> twin_api::remove(std::string_view id, child_policy children,
                              std::optional<durability> wanted) {
  std::string text{id};
  return nothing(expect_outcome(ask(make_remove(std::span{&text, 1}, children, wanted))));
}

result<void> twin_api::move(std::string_view id, lifecycle_trigger trigger) {
  std::string text{id};
  return nothing(
      expect_outcome(ask(make_lifecycle(std::span{&text, 1}, static_cast<std::uint8_t>(trigger)))));
}

result<void> twin_api::move(std::string_view id, std::string_view parent) {
  std::string text{id};
  return nothing(expect_outcome(ask(make_move(std::span{&text, 1}, parent))));
}

result<void> twin_api::retire(std::string_view id, child_policy children,
                              std::optional<durability> wanted) {
  std::string one{id};
  auto trigger = static_cast<std::uint8_t>(lifecycle_trigger::retire);
  return nothing(expect_outcome(ask(make_lifecycle({&one, 1}, trigger, children, wanted))));
}

result<value> twin_api::command(const twin_command& asked) {
  return expect_result(ask(make_command(asked)));
}

result<void> twin_api::emit(const twin_emit& happened, std::string_view cause) {
  return nothing(emit(std::span{&happened, 1}, cause));
}

result<outcome> twin_api::emit(std::span<const twin_emit> events, std::string_view cause) {
  return expect_outcome(ask(make_emit(events, cause)));
}

result<value> twin_api::call(const service_call& asked) {
  return expect_result(ask(make_service_call(asked)));
}

namespace {

// Of how many peers the last twin is held; an error if these are too few.
result<std::uint32_t> fewest_holders(const value& held, std::span<const std::string> twins,
                                     std::uint32_t wanted) {
  auto fewest = std::numeric_limits<std::uint32_t>::max();
  for (const auto& id : twins) {
    const auto* count = held.find(id);
    if (count == nullptr || !count->is_integer())
      return fail(errc::bad_value,
                  id
                      + " is not replicated: there is no such twin, or its type is "
                        "not among sync.types");
    fewest = std::min(fewest, static_cast<std::uint32_t>(count->as_integer()));
  }
  if (fewest < wanted)
    return fail(errc::timed_out, "it is written here, but only " + std::to_string(fewest) + " of "
                                     + std::to_string(wanted)
                                     + " peers have said that they have it");
  return fewest;
}

} // namespace

result<std::uint32_t> twin_api::wait_synced(std::span<const std::string> twins,
                                            std::uint32_t peers) {
  value_list ids;
  for (const auto& id : twins)
    ids.emplace_back(id);
  // The node gives up before we do, and says how far it came.
  auto wait = patience() * 3 / 4;
  auto wanted = peers == all_peers ? value{"all"} : value{static_cast<std::int64_t>(peers)};
  auto done = call({"sync", "held",
                    value{value_map{{"twins", value{std::move(ids)}},
                                    {"replicas", std::move(wanted)},
                                    {"wait_ms", value{static_cast<std::int64_t>(wait.count())}}}}});
  if (!done)
    return tl::unexpected<error>(std::move(done.error()));
  const auto* there = done->find("peers");
  const auto* held = done->find("held");
  if (there == nullptr || !there->is_integer() || held == nullptr)
    return fail(errc::bad_frame, "an answer without its peers");
  if (peers == all_peers) {
    peers = static_cast<std::uint32_t>(there->as_integer());
    if (peers == 0)
      return fail(errc::bad_value, "it is written here, but this node sends it to no peer");
  }
  if (there->as_integer() < peers)
    return fail(errc::bad_value, "it is written here, but this node sends it to "
                                     + std::to_string(there->as_integer()) + " peers, not to "
                                     + std::to_string(peers));
  return fewest_holders(*held, twins, peers);
}

result<void> twin_api::set_conflict_policy(const std::string& twin, const std::string& strategy) {
  auto wanted = strategy.empty() ? value{} : value{strategy};
  return call({"sync", "policy",
               value{value_map{{"twin", value{twin}}, {"strategy", std::move(wanted)}}}})
      .map([](const value&) {});
}

result<std::string> twin_api::conflict_policy_of(const std::string& twin) {
  auto done = call({"sync", "policy", value{value_map{{"twin", value{twin}}}}});
  if (!done)
    return tl::unexpected<error>(std::move(done.error()));
  const auto* own = done->find("strategy");
  return own != nullptr && own->is_text() ? std::string{own->as_text()} : std::string{};
}

result<stats_record> twin_api::stats() {
  return expect_stats(ask(make_stats_request()));
}

} // namespace gemel
