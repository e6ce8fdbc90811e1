#include "messages/replies.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <map>
#include <set>
#include <stdexcept>

using namespace gemel;
using gemel::test::pending;
using gemel::test::simulated_node;

// Fault: atomic batches over several cells meet each other, plain updates, deletes, and behaviours
// that throw, in every order. What must hold: each batch is applied whole or not at all, no read of
// several twins sees a part of one, and everything is answered.

namespace {

constexpr std::int64_t start_amount = 100;

// Refuses, by throwing, to owe anything.
class account final : public behavior {
public:
  void on_update(twin_context& twin, std::span<const change_view>) override {
    if (twin.get("amount")->as_integer() < 0)
      throw std::runtime_error{"no money"};
  }
};

struct sent_batch {
  std::set<std::string> twins;
  pending answer;
};

class bank {
public:
  explicit bank(std::uint64_t seed) : node_{options_for(seed)} {
    std::vector<new_twin> twins;
    for (auto n = 2 + below(6); n > 0; --n)
      accounts_.push_back("a" + std::to_string(n));
    for (const auto& id : accounts_)
      twins.push_back(
          {id, below(2) == 0 ? "Account" : "Plain", "", {{"amount", start_amount}}, ""});
    for (int i = 0; i < 3; ++i)
      twins.push_back({"spare" + std::to_string(i), "Spare", "", {}, ""});
    REQUIRE(node_.create(twins).applied == twins.size());
  }

  void run() {
    for (auto steps = 40 + below(80); steps > 0; --steps) {
      act();
      node_.step(below(6));
    }
    node_.run();
    check_reads();
    check_batches();
    CHECK(node_.unanswered() == 0);
    CHECK(node_.broken_invariants() == std::vector<std::string>{});
  }

  std::size_t committed = 0;
  std::size_t refused = 0;
  std::size_t reads = 0;

private:
  static simulated_node::options options_for(std::uint64_t seed) {
    simulated_node::options wanted;
    wanted.seed = seed;
    wanted.cells = 1 + static_cast<std::uint32_t>(seed % 5);
    wanted.behaviors["Account"] = [] { return std::make_unique<account>(); };
    wanted.turn_entries_max = 1 + seed % 7;
    if (seed % 11 == 0)
      wanted.inbox.items_max = 6;
    // Enough restarts for all of a run, or so few that twins become faulted.
    wanted.supervision.fallback.intensity = seed % 3 == 0 ? 2 : 1'000;
    return wanted;
  }

  std::size_t below(std::size_t n) { return node_.below(n); }
  const std::string& any_account() { return accounts_[below(accounts_.size())]; }

  void act() {
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
      return transfer();
    case 3:
      return with_spare();
    case 4:
      return plain();
    case 5:
    case 6:
      reads_.push_back(node_.submit(make_get(accounts_)));
      return;
    default:
      return change_spare();
    }
  }

  // Amounts that come to nothing in all, and one more ticket for each twin.
  void transfer() {
    std::map<std::string, std::int64_t> amounts;
    for (auto n = 1 + below(3); n > 0; --n) {
      auto amount = static_cast<std::int64_t>(below(90));
      amounts[any_account()] += amount;
      amounts[any_account()] -= amount;
    }
    std::vector<twin_update> updates;
    for (const auto& [id, amount] : amounts) {
      updates.push_back({.id = id, .add = {{"amount", amount}, {"tickets", 1}}});
      if (below(4) == 0)
        updates.back().condition = "amount >= " + std::to_string(below(150));
      if (below(20) == 0)
        updates.back().if_version = 3;
    }
    send(std::move(updates));
  }

  // A twin that comes and goes takes part.
  void with_spare() {
    send({{.id = any_account(), .add = {{"tickets", 1}}},
          {.id = any_spare(), .add = {{"tickets", 1}}}});
  }

  void send(std::vector<twin_update> updates) {
    sent_batch made;
    for (const auto& one : updates)
      made.twins.insert(one.id);
    made.answer = node_.submit(make_update(updates, {.atomic = true, .cause = "0-0-1"}));
    batches_.push_back(std::move(made));
  }

  void plain() {
    auto id = any_account();
    plain_[id].push_back(node_.send_update({{.id = id, .add = {{"plain", 1}}}}));
  }

  std::string any_spare() { return "spare" + std::to_string(below(3)); }

  void change_spare() {
    if (below(2) == 0)
      others_.push_back(node_.send_remove({any_spare()}, child_policy::refuse));
    else
      others_.push_back(node_.send_create({{any_spare(), "Spare", "", {}, ""}}));
  }

  void check_reads() {
    for (const auto& read : reads_) {
      REQUIRE(read->has_value());
      auto page = expect_page(**read);
      if (!page) {
        CHECK(page.error().code == errc::twin_busy);
        continue;
      }
      ++reads;
      std::int64_t sum = 0;
      for (const auto& twin : page->twins)
        sum += twin.find("amount")->as_integer();
      REQUIRE(sum == start_amount * static_cast<std::int64_t>(accounts_.size()));
    }
  }

  void check_batches() {
    std::map<std::string, std::int64_t> tickets;
    for (const auto& sent : batches_) {
      REQUIRE(sent.answer->has_value());
      auto done = expect_outcome(**sent.answer).value();
      bool whole = done.applied == sent.twins.size() && done.failures.empty();
      bool nothing = done.applied == 0 && done.failures.size() == sent.twins.size();
      REQUIRE((whole || nothing));
      committed += whole;
      refused += nothing;
      if (whole)
        for (const auto& id : sent.twins)
          ++tickets[id];
    }
    for (const auto& id : accounts_) {
      auto twin = node_.find(id).value();
      std::int64_t plain = 0;
      for (const auto& sent : plain_[id])
        plain += expect_outcome(**sent).value().applied;
      CHECK(count(twin, "tickets") == tickets[id]);
      CHECK(count(twin, "plain") == plain);
    }
  }

  static std::int64_t count(const twin_record& twin, std::string_view key) {
    const auto* held = twin.find(key);
    return held != nullptr ? held->as_integer() : 0;
  }

  simulated_node node_;
  std::vector<std::string> accounts_;
  std::vector<sent_batch> batches_;
  std::map<std::string, std::vector<pending>> plain_;
  std::vector<pending> reads_;
  std::vector<pending> others_;
};

} // namespace

TEST_CASE("atomic batches take effect whole or not at all, whatever happens at once",
          "[fault][actors]") {
  auto only = std::getenv("GEMEL_SEED") != nullptr;
  auto first = only ? test::seed() : 1;
  // GEMEL_CASES=20000 for a longer look.
  const auto* cases = std::getenv("GEMEL_CASES");
  auto count = only ? 1 : cases != nullptr ? std::strtoull(cases, nullptr, 10) : 3'000;
  std::size_t committed = 0;
  std::size_t refused = 0;
  std::size_t reads = 0;
  for (auto seed = first; seed < first + count; ++seed) {
    INFO(test::repeat_command(seed));
    bank one{seed};
    one.run();
    committed += one.committed;
    refused += one.refused;
    reads += one.reads;
  }
  INFO(committed << " committed, " << refused << " refused, " << reads << " reads");
  if (!only) {
    CHECK(committed > 5 * count);
    CHECK(refused > count);
    CHECK(reads > 5 * count);
  }
}

TEST_CASE("an atomic batch with a faulty entry changes nothing and names it", "[fault][actors]") {
  simulated_node node;
  REQUIRE(node.create({{"a", "T", "", {{"n", 1}}, ""}, {"b", "T", "", {{"n", "x"}}, ""}}).applied
          == 2);
  auto send = [&](std::vector<twin_update> updates) {
    auto answer = node.submit(make_update(updates, {.atomic = true}));
    node.run();
    return expect_outcome(**answer).value();
  };
  auto done = send({{.id = "a", .add = {{"n", 1}}}, {.id = "b", .add = {{"n", 1}}}});
  CHECK(done.applied == 0);
  CHECK(test::codes(done, 2) == std::vector<errc>{errc::not_applied, errc::bad_value});
  done = send({{.id = "a", .add = {{"n", 1}}}, {.id = "gone", .add = {{"n", 1}}}});
  CHECK(test::codes(done, 2) == std::vector<errc>{errc::not_applied, errc::twin_not_found});
  done = send({{.id = "a", .add = {{"n", 1}}}, {.id = "a", .add = {{"n", 1}}}});
  CHECK(test::codes(done, 2) == std::vector<errc>{errc::not_applied, errc::bad_value});
  CHECK(send({}).applied == 0);
  CHECK(node.find("a")->find("n")->as_integer() == 1);
  CHECK(node.find("a")->version == 1);
  CHECK(send({{.id = "a", .add = {{"n", 1}}}, {.id = "b", .set = {{"n", 2}}}}).applied == 2);
  CHECK(node.find("a")->find("n")->as_integer() == 2);
  CHECK(node.broken_invariants().empty());
}
