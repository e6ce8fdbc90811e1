#include "actors/sync/replica_keeper.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <map>
#include <memory>
#include <optional>
#include <random>

using namespace gemel;

namespace {

constexpr std::uint16_t shard = 9;
constexpr std::size_t cycle_bytes = 400;

using kept_bytes = std::map<std::string, std::string>;

// A node without peers, all whose steps are kept at once.
class kept_node final : public replica_journal, public replica_pages {
public:
  explicit kept_node(kept_bytes from = {}) : kept{std::move(from)}, keeper_{*this, cycle_bytes} {
    replicator_options options;
    options.identity = {"plant", "edge", make_writer(site_of_name("edge"), 1), 1};
    replicas = std::make_unique<replicator>(std::move(options), *this);
    auto given = kept;
    replica_loader loader{keeper_, *replicas};
    for (const auto& [key, bytes] : given)
      if (loaded)
        loaded = loader.take(key, bytes);
    if (loaded)
      loaded = loader.finish();
  }

  std::uint64_t append(const replica_head& head, std::span<const changed_entry> changes,
                       const shard_replica& of) override {
    keeper_.append(head, changes, of);
    return ++appended;
  }
  void put(std::string_view key, std::string_view bytes) override {
    kept[std::string{key}] = bytes;
    written += bytes.size();
  }
  void erase(std::string_view begin, std::string_view end) override {
    kept.erase(kept.lower_bound(std::string{begin}), kept.lower_bound(std::string{end}));
  }

  moment now() { return {++time_us, time_us * 1'000}; }
  void safe() { replicas->safe(appended, now()); }
  std::size_t bytes() const {
    std::size_t made = 0;
    for (const auto& [key, content] : kept)
      made += key.size() + content.size();
    return made;
  }

  kept_bytes kept;
  std::unique_ptr<replicator> replicas;
  result<void> loaded{};
  std::uint64_t appended = 0;
  std::size_t written = 0;
  std::int64_t time_us = 1'000'000;

private:
  replica_keeper keeper_;
};

// One step of a twin's life, drawn.
void step(kept_node& at, std::mt19937_64& random) {
  auto twin = "machine-" + std::to_string(random() % 150);
  auto key = "key-" + std::to_string(random() % 5);
  auto draw = random() % 20;
  auto alive = at.replicas->alive(shard, twin);
  if (!alive)
    REQUIRE(at.replicas->create(shard, twin, value{value_map{}}, at.now()));
  else if (draw == 0)
    REQUIRE(at.replicas->remove(shard, twin, at.now()));
  else if (draw == 1)
    REQUIRE(at.replicas->set(shard, twin, key, std::nullopt, at.now()));
  else
    REQUIRE(at.replicas->set(shard, twin, key, value{static_cast<std::int64_t>(random() % 1'000)},
                             at.now()));
  at.safe();
  if (random() % 50 == 0) { // Marks of deletes go: nobody else is there.
    at.time_us += 2'000'000;
    at.replicas->tick(at.now());
  }
}

void check_same(const kept_node& left, const kept_node& right) {
  const auto& was = *left.replicas->replica(shard);
  const auto& is = *right.replicas->replica(shard);
  REQUIRE(is.clock() == was.clock());
  REQUIRE(is.last_change() == was.last_change());
  REQUIRE(is.digest().root() == was.digest().root());
  was.each_twin([&](std::string_view twin) {
    was.each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
      REQUIRE(is.of(twin, key) == siblings);
      REQUIRE(is.changed(twin, key) == was.changed(twin, key));
    });
  });
}

} // namespace

TEST_CASE("replicas come back as they were, whenever they end", "[unit][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto at = std::make_unique<kept_node>();
  for (int life = 0; life < 25; ++life) {
    for (auto left = 1 + random() % 300; left > 0; --left)
      step(*at, random);
    auto back = std::make_unique<kept_node>(at->kept);
    INFO((back->loaded ? "" : to_string(back->loaded.error())));
    REQUIRE(back->loaded);
    check_same(*at, *back);
    back->time_us = at->time_us;
    at = std::move(back);
  }
}

TEST_CASE("what is kept of replicas stays small however often they change", "[unit][sync]") {
  std::mt19937_64 random{7};
  kept_node at;
  std::size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    step(at, random);
    if (i > 4'000)
      most = std::max(most, at.bytes());
  }
  std::size_t held = 0;
  const auto& replica = *at.replicas->replica(shard);
  for (std::uint32_t i = 0; i < replica.pages(); ++i)
    held += pack_record({shard, replica.last_change(), 0, {}, {}}, replica.page(i)).size();
  CHECK(most < 4 * held);
}

TEST_CASE("kept replicas that cannot be right are refused by name", "[unit][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  kept_node at;
  for (int i = 0; i < 2'000; ++i)
    step(at, random);
  auto refused = [](kept_bytes from) {
    kept_node wrong{std::move(from)};
    REQUIRE_FALSE(wrong.loaded);
    return wrong.loaded.error();
  };
  auto record = [&] {
    auto first = at.kept.begin();
    while (first->first[2] != 'r')
      ++first;
    return first;
  }();
  REQUIRE(std::next(record, 2)->first[2] == 'r');
  SECTION("a record is missing") {
    auto less = at.kept;
    less.erase(std::next(record)->first);
    CHECK(refused(less).code == errc::store_corrupt);
  }
  SECTION("a bit of any is another") {
    for (int i = 0; i < 50; ++i) {
      auto damaged = at.kept;
      auto of = std::next(damaged.begin(), static_cast<long>(random() % damaged.size()));
      of->second[random() % of->second.size()] ^= 1;
      CHECK(refused(damaged).code == errc::store_corrupt);
    }
  }
  SECTION("a record of another shard") {
    auto moved = at.kept;
    auto key = record->first;
    key[1] = 10;
    moved[key] = record->second;
    CHECK(refused(moved).code == errc::store_corrupt);
  }
  SECTION("pages without a head") {
    auto pages = at.kept;
    std::erase_if(pages, [](const auto& one) { return one.first[2] != 's'; });
    REQUIRE_FALSE(pages.empty());
    CHECK(refused(pages).code == errc::store_corrupt);
  }
  SECTION("kept by an earlier version") {
    CHECK(refused({{std::string{"e\x00\x09pump"}, record->second}}).code == errc::incompatible);
  }
}
