#pragma once

#include "actors/caf.hpp"
#include "actors/cell_runner.hpp"
#include "actors/routing_gate.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

namespace gemel {

/// Who monitors or is linked to which twin: few twins are, so it lies beside them.
class watch_table {
public:
  void add(const caf::abstract_actor* of, caf::attachable_ptr watcher);
  /// Removes (or with `dry_run` counts) the watchers that match. @returns how many.
  std::size_t remove(const caf::abstract_actor* of, const caf::attachable::token& what,
                     bool stop_on_hit, bool dry_run);
  std::vector<caf::attachable_ptr> take_all(const caf::abstract_actor* of);

private:
  struct stripe {
    std::mutex mutex;
    boost::unordered_flat_map<const caf::abstract_actor*, std::vector<caf::attachable_ptr>> table;
  };
  stripe& stripe_of(const caf::abstract_actor* of) noexcept;

  std::array<stripe, 64> stripes_;
};

/// What the actors of all twins of a node share. Outlives them.
struct twin_actor_context {
  caf::actor_system& system;
  std::vector<cell_runner*> cells;
  watch_table watchers;
  /// Messages to twins' own addresses that nobody waited for and no queue had room for.
  std::atomic<std::uint64_t> dropped{0};
  /// Passed by every message; null: no twin ever moves to another cell.
  routing_gate* gate = nullptr;
};

/// The CAF actor behind one twin or hierarchy actor: an address any actor can send to, monitor or
/// link to. It has no mailbox of its own: what is sent to it goes to the queue of its cell, whose
/// turn it is run in. Understands frames (`update`, `get`) and exit messages.
class twin_actor final : public caf::abstract_actor {
public:
  twin_actor(caf::actor_config& config, twin_actor_context& shared, cell_id cell, std::uint32_t row)
      : abstract_actor{config}, shared_{shared}, place_{packed(cell, row)} {}

  using abstract_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* host) override;
  void attach(caf::attachable_ptr watcher) override;
  std::size_t detach(const caf::attachable::token& what) override;
  void add_link(abstract_actor* other) override;
  void remove_link(abstract_actor* other) override;
  bool add_backlink(abstract_actor* other) override;
  bool remove_backlink(abstract_actor* other) override;

  /// Its messages go to this row from now on.
  void place(cell_id cell, std::uint32_t row) noexcept;

  /// Ends it: watchers hear of it, later messages bounce.
  void end();

private:
  bool ended() const { return getf(is_terminated_flag); }
  const twin_address* self() const { return reinterpret_cast<const twin_address*>(ctrl()); }
  static std::uint64_t packed(cell_id cell, std::uint32_t row) noexcept {
    return static_cast<std::uint64_t>(cell) << 32 | row;
  }
  cell_runner& runner(std::uint64_t place) const { return *shared_.cells[place >> 32]; }
  void take_frame(caf::mailbox_element& what, const frame& message);

  twin_actor_context& shared_;
  // The cell's index above the row's.
  std::atomic<std::uint64_t> place_;
};

/// Makes twin actors for the cells of a node.
class twin_actor_addresses final : public address_port {
public:
  explicit twin_actor_addresses(twin_actor_context& shared) : shared_{shared} {}

  twin_address* make(cell_id cell, std::uint32_t row) override;
  void move(twin_address* address, cell_id cell, std::uint32_t row) override;
  void end(twin_address* address) noexcept override;

private:
  twin_actor_context& shared_;
};

/// The CAF handle of a twin's address.
caf::actor handle_of(twin_address* address);

} // namespace gemel
