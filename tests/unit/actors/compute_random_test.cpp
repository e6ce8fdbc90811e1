#include "actors/compute_queue.hpp"
#include "actors/pool_size.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <map>
#include <random>

using namespace gemel;

namespace {

/// A pool in simulated time: calls come at random, take random times, are cancelled and expire.
class pool_world {
public:
  explicit pool_world(std::uint64_t seed) : random_{seed} {}

  void run() {
    bool is_busy = true;
    for (; now_ < 60'000; now_ += 5) {
      if (below(400) == 0)
        is_busy = !is_busy;
      if (now_ < 40'000)
        for (auto left = is_busy ? below(6) : below(40) / 39; left > 0; --left)
          ask();
      if (below(20) == 0 && asked_ > 0)
        cancel(1 + below(asked_));
      refuse(queue_.expire(now_));
      resize();
      finish();
      fill();
    }
  }

  void check() const {
    CHECK(queue_.waiting() == 0);
    CHECK(queue_.running() == 0);
    CHECK(std::all_of(answers_.begin(), answers_.end(), [](int times) { return times == 1; }));
    std::uint64_t counted = 0;
    for (const auto& [name, of] : queue_.counts()) {
      CHECK(of.waiting == 0);
      CHECK(of.running == 0);
      counted += of.done + of.refused;
    }
    CHECK(counted == answers_.size());
    CHECK(size_.size() == bounds_.min);
    // Hysteresis: no shrinking within the time after growing.
    CHECK(flaps_ == 0);
  }

private:
  struct work {
    compute_job job;
    std::int64_t ends_ms;
  };

  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  void ask() {
    compute_job made;
    made.function = "f" + std::to_string(below(4));
    made.tenant = "t" + std::to_string(below(5));
    made.priority = static_cast<std::int32_t>(below(10));
    made.concurrency = made.function == "f0" ? 2 : 0;
    if (below(3) == 0)
      made.deadline_ms = now_ + 1 + static_cast<std::int64_t>(below(400));
    auto index = answers_.size();
    answers_.push_back(0);
    made.done = [this, index](const result<value>&) { ++answers_[index]; };
    ++asked_;
    if (auto refused = queue_.push(std::move(made), now_))
      refused->refuse({errc::overloaded, "", queue_.retry_after_ms(size_.size())});
  }

  void cancel(std::uint64_t number) {
    if (auto made = queue_.cancel(number); made.waiting)
      made.waiting->refuse({errc::stopping, ""});
  }

  static void refuse(const compute_queue::dropped_calls& dropped) {
    for (const auto& [job, why] : dropped)
      job.refuse(why);
  }

  void resize() {
    auto made = size_.decide(now_, queue_.delay_ms(now_), queue_.running(), queue_.runnable());
    if (!made)
      return;
    REQUIRE(made->to >= bounds_.min);
    if (made->what == pool_size::kind::grow)
      grown_ms_ = now_;
    if (made->what == pool_size::kind::shrink)
      flaps_ += now_ - grown_ms_ < bounds_.shrink_after_ms;
    REQUIRE(size_.size() <= bounds_.max);
  }

  // Who is told to stop does so a little later.
  void finish() {
    std::erase_if(running_, [this](work& one) {
      if (one.job.input.is_stopped())
        one.ends_ms = std::min(one.ends_ms, now_ + 10);
      if (one.ends_ms > now_)
        return false;
      one.job.done(value{1});
      queue_.finished(one.job.number, now_);
      return true;
    });
  }

  void fill() {
    while (running_.size() < size_.size()) {
      auto made = queue_.take(now_);
      refuse(made.dropped);
      if (!made.next)
        break;
      auto took = 1 + static_cast<std::int64_t>(below(60));
      running_.push_back({std::move(*made.next), now_ + took});
      std::map<std::string, std::size_t> tenants;
      std::size_t slow = 0;
      for (const auto& one : running_) {
        ++tenants[one.job.tenant];
        slow += one.job.function == "f0";
      }
      REQUIRE(slow <= 2);
      for (const auto& [name, count] : tenants)
        REQUIRE(count <= 5);
    }
    // Nobody idles while a call may run.
    REQUIRE((running_.size() >= size_.size() || queue_.runnable() == 0));
  }

  std::mt19937_64 random_;
  std::int64_t now_ = 1;
  compute_queue queue_{{.waiting_max = 400, .function_max = 6, .tenant_max = 5, .age_ms = 200}};
  pool_size::options bounds_{.min = 1, .max = 12, .shrink_after_ms = 1'000};
  pool_size size_{bounds_};
  std::vector<work> running_;
  std::vector<int> answers_;
  std::uint64_t asked_ = 0;
  std::int64_t grown_ms_ = -1'000'000;
  int flaps_ = 0;
};

} // namespace

TEST_CASE("every call of a pool is answered once within its quotas, whatever happens",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  pool_world world{seed};
  world.run();
  world.check();
}
