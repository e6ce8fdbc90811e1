#include "actors/twin_actor.hpp"

#include <caf/default_attachable.hpp>
#include <caf/detail/sync_request_bouncer.hpp>

#include <algorithm>

namespace gemel {

watch_table::stripe& watch_table::stripe_of(const caf::abstract_actor* of) noexcept {
  // Actors are cache-line aligned; the low bits say nothing.
  return stripes_[(reinterpret_cast<std::uintptr_t>(of) >> 6) % stripes_.size()];
}

void watch_table::add(const caf::abstract_actor* of, caf::attachable_ptr watcher) {
  auto& s = stripe_of(of);
  std::lock_guard guard{s.mutex};
  s.table[of].push_back(std::move(watcher));
}

std::size_t watch_table::remove(const caf::abstract_actor* of, const caf::attachable::token& what,
                                bool stop_on_hit, bool dry_run) {
  auto& s = stripe_of(of);
  std::lock_guard guard{s.mutex};
  auto entry = s.table.find(of);
  if (entry == s.table.end())
    return 0;
  auto& list = entry->second;
  std::size_t count = 0;
  for (std::size_t i = 0; i < list.size() && !(stop_on_hit && count > 0);) {
    if (!list[i]->matches(what)) {
      ++i;
      continue;
    }
    ++count;
    if (dry_run)
      ++i;
    else
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (list.empty())
    s.table.erase(entry);
  return count;
}

std::vector<caf::attachable_ptr> watch_table::take_all(const caf::abstract_actor* of) {
  auto& s = stripe_of(of);
  std::lock_guard guard{s.mutex};
  auto entry = s.table.find(of);
  if (entry == s.table.end())
    return {};
  auto list = std::move(entry->second);
  s.table.erase(entry);
  return list;
}

void twin_actor::enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) {
  if (ended()) {
    caf::detail::sync_request_bouncer bounce{caf::exit_reason::unknown};
    bounce(what->sender, what->mid);
    return;
  }
  auto& content = what->content();
  if (content.match_elements<frame>())
    return take_frame(*what, content.get_as<frame>(0));
  if (content.match_elements<caf::exit_msg>()) {
    const auto& reason = content.get_as<caf::exit_msg>(0).reason;
    auto pass = shared_.gate != nullptr ? shared_.gate->enter() : routing_gate::pass{nullptr};
    auto place = place_.load(std::memory_order_relaxed);
    runner(place).push_control(exit_signal{static_cast<std::uint32_t>(place), !reason, self()});
    return;
  }
  if (what->sender != nullptr && what->mid.is_request())
    what->sender->enqueue(ctrl(), what->mid.response_id(),
                          caf::make_message(make_error(caf::sec::unexpected_message)), nullptr);
}

void twin_actor::take_frame(caf::mailbox_element& what, const frame& message) {
  reply_function reply;
  if (what.sender != nullptr && what.mid.is_request())
    reply = [to = what.sender, from = caf::strong_actor_ptr{ctrl()}, mid = what.mid](frame answer) {
      send_answer(to, from, mid, std::move(answer));
    };
  auto pass = shared_.gate != nullptr ? shared_.gate->enter() : routing_gate::pass{nullptr};
  auto place = place_.load(std::memory_order_relaxed);
  auto row = static_cast<std::uint32_t>(place);
  if (row == twin_row::none) {
    if (reply)
      reply(make_error_reply({errc::unsupported, "a hierarchy actor takes no frames"}));
    return;
  }
  if (runner(place).push_data(addressed_message{row, message, reply, self()}))
    return;
  if (reply)
    reply(make_error_reply({errc::overloaded, "the cell's queue is full"}));
  else
    shared_.dropped.fetch_add(1, std::memory_order_relaxed);
}

void twin_actor::attach(caf::attachable_ptr watcher) {
  bool late = exclusive_critical_section([&] {
    if (!ended())
      shared_.watchers.add(this, std::move(watcher));
    return watcher != nullptr;
  });
  if (late)
    watcher->actor_exited(caf::exit_reason::unknown, nullptr);
}

std::size_t twin_actor::detach(const caf::attachable::token& what) {
  return exclusive_critical_section(
      [&] { return shared_.watchers.remove(this, what, false, false); });
}

void twin_actor::add_link(abstract_actor* other) {
  bool gone = joined_exclusive_critical_section(this, other, [&] {
    if (ended())
      return true;
    if (other->add_backlink(this))
      shared_.watchers.add(this, caf::default_attachable::make_link(address(), other->address()));
    return false;
  });
  if (gone)
    other->eq_impl(caf::make_message_id(), nullptr, nullptr,
                   caf::exit_msg{address(), caf::exit_reason::unknown});
}

void twin_actor::remove_link(abstract_actor* other) {
  caf::default_attachable::observe_token token{other->address(), caf::default_attachable::link};
  joined_exclusive_critical_section(this, other, [&] {
    if (shared_.watchers.remove(this, token, true, false) > 0)
      other->remove_backlink(this);
  });
}

// Called with both actors' locks held.
bool twin_actor::add_backlink(abstract_actor* other) {
  if (ended()) {
    other->eq_impl(caf::make_message_id(), nullptr, nullptr,
                   caf::exit_msg{address(), caf::exit_reason::unknown});
    return false;
  }
  caf::default_attachable::observe_token token{other->address(), caf::default_attachable::link};
  if (shared_.watchers.remove(this, token, true, true) > 0)
    return false;
  shared_.watchers.add(this, caf::default_attachable::make_link(address(), other->address()));
  return true;
}

// Called with both actors' locks held.
bool twin_actor::remove_backlink(abstract_actor* other) {
  caf::default_attachable::observe_token token{other->address(), caf::default_attachable::link};
  return shared_.watchers.remove(this, token, true, false) > 0;
}

void twin_actor::end() {
  auto watchers = exclusive_critical_section([&] {
    setf(is_terminated_flag);
    return shared_.watchers.take_all(this);
  });
  for (auto& watcher : watchers)
    watcher->actor_exited(caf::exit_reason::user_shutdown, nullptr);
}

// Not inline: g++ 12 takes the actor behind its control block for something outside of it.
[[gnu::noinline]] void twin_actor::place(cell_id cell, std::uint32_t row) noexcept {
  place_.store(packed(cell, row), std::memory_order_relaxed);
}

namespace {

caf::actor_control_block* block_of(twin_address* address) noexcept {
  return reinterpret_cast<caf::actor_control_block*>(address);
}

} // namespace

twin_address* twin_actor_addresses::make(cell_id cell, std::uint32_t row) {
  caf::actor_config config;
  auto& system = shared_.system;
  auto made = caf::make_actor<twin_actor, caf::strong_actor_ptr>(
      system.next_actor_id(), system.node(), &system, config, shared_, cell, row);
  return reinterpret_cast<twin_address*>(made.release());
}

void twin_actor_addresses::move(twin_address* address, cell_id cell, std::uint32_t row) {
  caf::strong_actor_ptr held{block_of(address)};
  static_cast<twin_actor*>(held->get())->place(cell, row);
}

void twin_actor_addresses::end(twin_address* address) noexcept {
  caf::strong_actor_ptr owned{block_of(address), false};
  static_cast<twin_actor*>(owned->get())->end();
}

caf::actor handle_of(twin_address* address) {
  return caf::actor_cast<caf::actor>(caf::strong_actor_ptr{block_of(address)});
}

} // namespace gemel
