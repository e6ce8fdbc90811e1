#include "actors/courier.hpp"

#include <caf/ref_counted.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <atomic>
#include <memory>

namespace gemel {

namespace {

// Actors that one job wakes.
constexpr std::size_t sleepers_max = 128;

thread_local std::unique_ptr<courier> mine;

/// The job that runs actors with messages. The first worker that comes to it asks for another one
/// before it runs an actor, and so on: one that takes its time holds up none behind it.
class wake_up final : public caf::resumable, public caf::ref_counted {
public:
  explicit wake_up(std::vector<caf::resumable*> sleepers) : sleepers_{std::move(sleepers)} {}

  // More than nothing is left only if the scheduler threw this away.
  ~wake_up() override {
    for (auto i = next_.load(); i < sleepers_.size(); ++i)
      sleepers_[i]->intrusive_ptr_release_impl();
  }

  resume_result resume(caf::execution_unit* worker, std::size_t throughput) override {
    auto i = next_.fetch_add(1);
    if (i + 1 < sleepers_.size()) {
      ref();
      worker->exec_later(this);
    }
    for (; i < sleepers_.size(); i = next_.fetch_add(1))
      run(sleepers_[i], worker, throughput);
    return done;
  }

  void intrusive_ptr_add_ref_impl() override { ref(); }
  void intrusive_ptr_release_impl() override { deref(); }

private:
  static void run(caf::resumable* sleeper, caf::execution_unit* worker, std::size_t throughput) {
    if (sleeper->resume(worker, throughput) == resume_later)
      worker->exec_later(sleeper);
    else
      sleeper->intrusive_ptr_release_impl();
  }

  std::vector<caf::resumable*> sleepers_;
  std::atomic<std::size_t> next_{0};
};

} // namespace

void courier::employ(caf::actor_system& system) {
  mine = std::make_unique<courier>(system);
}

void courier::dispatch_here() {
  if (mine)
    mine->dispatch();
}

caf::execution_unit* courier::here() noexcept {
  return mine.get();
}

void courier::exec_later(caf::resumable* sleeper) {
  sleepers_.push_back(sleeper);
  if (sleepers_.size() >= sleepers_max)
    dispatch();
}

void courier::dispatch() {
  if (sleepers_.empty())
    return;
  auto& workers = system().scheduler();
  if (sleepers_.size() == 1)
    workers.enqueue(sleepers_.front());
  else
    workers.enqueue(new wake_up{std::move(sleepers_)});
  sleepers_.clear();
}

} // namespace gemel
