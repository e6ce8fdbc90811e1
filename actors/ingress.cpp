#include "actors/ingress.hpp"

#include "messages/names.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Lookups in the directory go this far behind the hashing, so that memory has time to answer.
constexpr std::size_t lookahead = 12;

outcome refuse_all(std::size_t entries, const error& why) {
  outcome refused;
  for (std::uint32_t i = 0; i < entries; ++i)
    refused.failures.push_back({i, why});
  return refused;
}

error too_many(std::size_t entries, std::size_t most) {
  return {errc::limit_reached, "limits.batch_entries_max: a batch of " + std::to_string(entries)
                                   + " entries, at most " + std::to_string(most) + " are allowed"};
}

// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

} // namespace

ingress::ingress(options limits, directory& twins, const clock_port& clock,
                 std::vector<cell_runner*> cells)
    : limits_{std::move(limits)}, twins_{twins}, clock_{clock}, cells_{std::move(cells)} {
  GEMEL_CHECK(cells_.size() == limits_.cells);
  mover_ = std::make_shared<twin_mover>(twins_, gate_, cells_);
  // Numbers of the node's former life must not mean anything in this one, since programs resume by
  // them. Seconds above 20 bits stay exact in a double.
  constexpr int bits = 20;
  constexpr std::int64_t us_per_s = 1'000'000;
  last_subscription_ = static_cast<std::uint64_t>(clock_.now().unix_us / us_per_s) << bits;
}

std::string ingress::new_id() {
  auto n = ids_made_.fetch_add(1, std::memory_order_relaxed);
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15U;
  return make_uuid(mix(limits_.seed + (2 * n + 1) * golden),
                   mix(limits_.seed + (2 * n + 2) * golden));
}

void ingress::push_part(const batch_ptr& of, std::uint16_t cell, std::uint32_t begin,
                        std::uint32_t end) {
  of->open_part();
  if (cells_[cell]->push_data(batch_part{of, begin, end}))
    return;
  error full{errc::overloaded, "the cell's queue is full", cells_[cell]->retry_after_ms()};
  for (auto i = begin; i < end; ++i)
    of->fail(of->routes()[i].index, full);
  of->close_part(0);
}

/// Gives runs of equal cells to their cell, in the order they stand.
void ingress::push_parts(const batch_ptr& of, const std::vector<target>& sorted) {
  auto& routes = of->routes();
  routes.reserve(sorted.size());
  for (const auto& t : sorted)
    routes.push_back(t.to);
  for (std::size_t begin = 0; begin < sorted.size();) {
    auto end = begin + 1;
    while (end < sorted.size() && sorted[end].cell == sorted[begin].cell)
      ++end;
    push_part(of, sorted[begin].cell, static_cast<std::uint32_t>(begin),
              static_cast<std::uint32_t>(end));
    begin = end;
  }
}

/// Groups by cell, keeping the order inside each (a counting sort).
void ingress::push_grouped(const batch_ptr& of, std::vector<target>& targets) {
  std::vector<std::uint32_t> places(limits_.cells + 1);
  for (const auto& t : targets)
    ++places[t.cell + 1u];
  for (std::size_t i = 1; i < places.size(); ++i)
    places[i] += places[i - 1];
  auto ends = places;
  auto& routes = of->routes();
  routes.resize(targets.size());
  for (const auto& t : targets)
    routes[ends[t.cell]++] = t.to;
  for (std::uint32_t cell = 0; cell < limits_.cells; ++cell)
    if (places[cell] < ends[cell])
      push_part(of, static_cast<std::uint16_t>(cell), places[cell], ends[cell]);
}

void ingress::update(const frame& request, batch::done_function done,
                     std::atomic<std::uint64_t>* under_way) {
  auto inside = gate_.enter();
  auto asked = request.message().getUpdate();
  auto updates = asked.getUpdates();
  if (asked.getAtomic() && updates.size() <= limits::batch_entries_max) [[unlikely]]
    return update_atomic({request, std::move(done), under_way, transactions_.fetch_add(1)});
  batch_ptr of{new batch{request, clock_.now().steady_ns, std::move(done), under_way}};
  if (updates.size() > limits_.batch_entries_max) {
    of->fail(0, too_many(updates.size(), limits_.batch_entries_max));
    return of->close_part(0);
  }
  auto missing = [&](std::uint32_t index) {
    of->fail(index, {errc::twin_not_found, std::string{text_of(updates[index].getId())}});
  };
  if (updates.size() == 1) {
    if (auto where = twins_.find(text_of(updates[0].getId()))) {
      of->routes().push_back({0, where->row});
      push_part(of, static_cast<std::uint16_t>(where->cell), 0, 1);
    } else {
      missing(0);
    }
    of->close_part(0);
    return;
  }
  std::vector<directory::key> keys(updates.size());
  std::vector<target> targets;
  targets.reserve(updates.size());
  for (std::uint32_t i = 0; i < updates.size() + lookahead; ++i) {
    if (i < updates.size()) {
      keys[i] = twins_.key_of(text_of(updates[i].getId()));
      twins_.prefetch(keys[i]);
    }
    if (i < lookahead)
      continue;
    auto due = i - static_cast<std::uint32_t>(lookahead);
    if (auto where = twins_.find(keys[due]))
      targets.push_back({static_cast<std::uint16_t>(where->cell), {due, where->row}});
    else
      missing(due);
  }
  push_grouped(of, targets);
  of->close_part(0);
}

result<ingress::placed> ingress::place(wire::Create::Reader made, std::string_view id,
                                       const std::unordered_map<std::string_view, placed>& in_batch,
                                       std::uint16_t& parent_cell) const {
  auto at = [&](std::string_view text) { return static_cast<std::uint16_t>(shard_of(text)); };
  auto cell = [&](std::uint16_t shard) {
    return static_cast<std::uint16_t>(cell_of(shard_id{shard}, limits_.cells));
  };
  auto parent = text_of(made.getParent());
  auto placement = text_of(made.getPlacement());
  if (parent.empty()) {
    auto shard = at(placement.empty() ? id : placement);
    return placed{0, cell(shard), shard, !placement.empty()};
  }
  if (!placement.empty())
    return fail(errc::bad_value, "placement is for roots; their subtrees follow them");
  if (parent == id)
    return fail(errc::hierarchy_cycle, std::string{id} + " cannot be its own parent");
  auto shard = at(parent);
  auto with_parent = in_batch.find(parent);
  std::uint32_t level = with_parent != in_batch.end() ? with_parent->second.level + 1 : 0;
  if (auto known = twins_.find(parent)) {
    parent_cell = static_cast<std::uint16_t>(known->cell);
    return placed{level, known->pinned ? parent_cell : cell(shard), shard, known->pinned};
  }
  if (with_parent == in_batch.end())
    return fail(errc::twin_not_found, "parent " + std::string{parent});
  const auto& p = with_parent->second;
  parent_cell = p.cell;
  return placed{level, p.pinned ? p.cell : cell(shard), shard, p.pinned};
}

void ingress::create(const frame& request, batch::done_function done) {
  auto inside = gate_.enter();
  auto creates = request.message().getCreate().getCreates();
  if (creates.size() > limits_.batch_entries_max) {
    if (done)
      done(refuse_all(1, too_many(creates.size(), limits_.batch_entries_max)));
    return;
  }
  batch_ptr of{new batch{request, clock_.now().steady_ns, std::move(done)}};
  of->number(creates_.fetch_add(1, std::memory_order_relaxed));
  of->ids().reserve(creates.size());
  // A child must reach its cell after its parent reached its own, so parents go first.
  std::vector<std::vector<target>> levels;
  std::unordered_map<std::string_view, placed> in_batch;
  std::uint32_t present = 0;
  for (std::uint32_t i = 0; i < creates.size(); ++i) {
    auto given = text_of(creates[i].getId());
    const auto& id = of->ids().emplace_back(given.empty() ? new_id() : std::string{given});
    std::uint16_t parent_cell = 0;
    auto valid = check_id(id);
    if (valid && creates[i].getIfAbsent() && twins_.find(id)) {
      ++present;
      continue;
    }
    auto where = valid ? place(creates[i], id, in_batch, parent_cell)
                       : result<placed>{tl::unexpected<error>(valid.error())};
    if (!valid)
      of->ids().back().clear(); // No id, so none is answered.
    if (!where) {
      of->fail(i, std::move(where.error()));
      continue;
    }
    in_batch.emplace(id, *where);
    if (levels.size() <= where->level)
      levels.resize(where->level + 1);
    levels[where->level].push_back({where->cell, {i, parent_cell, where->shard, where->pinned}});
  }
  std::vector<target> sorted;
  sorted.reserve(creates.size());
  for (auto& level : levels) {
    std::stable_sort(level.begin(), level.end(),
                     [](const target& a, const target& b) { return a.cell < b.cell; });
    sorted.insert(sorted.end(), level.begin(), level.end());
  }
  push_parts(of, sorted);
  of->close_part(present);
}

void ingress::by_ids(const frame& request, capnp::List<capnp::Text>::Reader ids,
                     batch::done_function done) {
  auto inside = gate_.enter();
  batch_ptr of{new batch{request, clock_.now().steady_ns, std::move(done)}};
  if (ids.size() > limits_.batch_entries_max) {
    of->fail(0, too_many(ids.size(), limits_.batch_entries_max));
    return of->close_part(0);
  }
  std::vector<target> targets;
  for (std::uint32_t i = 0; i < ids.size(); ++i) {
    if (auto where = twins_.find(text_of(ids[i])))
      targets.push_back({static_cast<std::uint16_t>(where->cell), {i, where->row}});
    else
      of->fail(i, {errc::twin_not_found, std::string{text_of(ids[i])}});
  }
  push_grouped(of, targets);
  of->close_part(0);
}

void ingress::service(const frame& request, reply_function reply) const {
  auto asked = read_service_call(request.message().getService());
  auto known = services_.find(asked.service);
  if (known == services_.end())
    return reply(
        make_error_reply({errc::unsupported, "this node has no service '" + asked.service + "'"}));
  known->second(asked, std::move(reply));
}

void ingress::submit(const frame& request, reply_function reply) {
  auto with_outcome = [&reply]() -> batch::done_function {
    return [reply = std::move(reply)](outcome&& what) { reply(make_outcome_reply(what)); };
  };
  auto message = request.message();
  switch (message.which()) {
  case wire::Message::UPDATE:
    return update(request, with_outcome());
  case wire::Message::CREATE:
    return create(request, with_outcome());
  case wire::Message::REMOVE:
    return by_ids(request, message.getRemove().getIds(), with_outcome());
  case wire::Message::LIFECYCLE:
    return by_ids(request, message.getLifecycle().getIds(), with_outcome());
  case wire::Message::COMMAND:
    return command(request, reply);
  case wire::Message::EMIT:
    return emit(request, with_outcome());
  case wire::Message::GET:
    return scan([this, request, reply] { get(request, reply); }, reply);
  case wire::Message::QUERY:
    return scan([this, request, reply] { query(request, reply); }, reply);
  case wire::Message::MOVE:
    return mover_->move(request, std::move(reply));
  case wire::Message::TYPES:
    return types(reply);
  case wire::Message::STATS:
    return stats(reply);
  case wire::Message::SERVICE:
    return service(request, std::move(reply));
  case wire::Message::UNSUBSCRIBE:
    return unsubscribe(message.getUnsubscribe(), reply);
  case wire::Message::GRANT:
    grant(message.getGrant().getSubscription(), message.getGrant().getCredit());
    return reply(make_done_reply());
  case wire::Message::HELLO:
    if (message.getHello().getProtocol() != wire::PROTOCOL_VERSION)
      return reply(make_error_reply(
          {errc::incompatible, "this node speaks protocol " + std::to_string(wire::PROTOCOL_VERSION)
                                   + ", not " + std::to_string(message.getHello().getProtocol())}));
    return reply(make_welcome_reply(limits_.node, limits_.program));
  default:
    return reply(make_error_reply({errc::unsupported, "this message is no request"}));
  }
}

} // namespace gemel
