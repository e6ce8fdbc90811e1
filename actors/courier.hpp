#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>

#include <utility>
#include <vector>

namespace gemel {

/// Takes messages from the threads that run cells to actors. They lie in the mailboxes at once; the
/// actors that slept are woken when the turn has ended, by one job for all of them: to wake each of
/// a hundred subscribers by itself costs a lock, and often a system call, a hundred times.
class courier final : public caf::execution_unit {
public:
  explicit courier(caf::actor_system& system) : caf::execution_unit{&system} {}
  ~courier() override { dispatch(); }
  courier(const courier&) = delete;
  courier& operator=(const courier&) = delete;

  /// From now on `post` of this thread sends by a courier of its own, for actors of `system`; the
  /// thread must end before the system does.
  static void employ(caf::actor_system& system);

  /// Wakes the actors that this thread posted to since the last time, if it has a courier.
  static void dispatch_here();

  /// As `caf::anon_send`, from any thread.
  template <class... Ts>
  static void post(const caf::actor& to, Ts&&... content) {
    caf::actor_cast<caf::abstract_actor*>(to)->enqueue(
        caf::make_mailbox_element(nullptr, caf::make_message_id(), {},
                                  std::forward<Ts>(content)...),
        here());
  }

  /// What CAF calls when a message came for an actor that slept.
  void exec_later(caf::resumable* sleeper) override;

private:
  static caf::execution_unit* here() noexcept;
  void dispatch();

  std::vector<caf::resumable*> sleepers_;
};

} // namespace gemel
