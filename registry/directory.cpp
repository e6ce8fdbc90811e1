#include "registry/directory.hpp"

#define XXH_INLINE_ALL
#include "messages/error.hpp"

#include <xxhash.h>

namespace gemel {

shard_id shard_of(std::string_view placement) noexcept {
  static_assert((limits::shards & (limits::shards - 1)) == 0);
  auto hash = XXH3_64bits(placement.data(), placement.size());
  return shard_id{static_cast<std::uint16_t>(hash & (limits::shards - 1))};
}

namespace {

// A packed location: used | pinned | 18 bits of tag | 12 bits of cell | 32 bits of row.
constexpr std::uint64_t used_bit = std::uint64_t{1} << 63;
constexpr std::uint64_t pinned_bit = std::uint64_t{1} << 62;
constexpr int tag_shift = 44;
constexpr std::uint64_t tag_mask = 0x3ffff;

constexpr std::uint32_t tag_of(std::uint64_t packed) noexcept {
  return static_cast<std::uint32_t>((packed >> tag_shift) & tag_mask);
}

} // namespace

// Open addressing with linear probing; at most 3/4 full, so every probe meets an empty slot. Slots
// are stored with release and loaded with acquire: who sees any part of a change sees the odd
// sequence before it. On x86 that is free, and thread sanitizers know nothing of fences.
struct directory::table {
  struct slot {
    std::atomic<std::uint64_t> hash{0};
    // 0: empty.
    std::atomic<std::uint64_t> packed{0};
  };

  explicit table(std::size_t slot_count)
      : mask{slot_count - 1}, slots{std::make_unique<slot[]>(slot_count)} {}

  std::size_t home(std::uint64_t hash) const noexcept { return hash & mask; }

  // The slot that holds `k`, or the empty one where it would go.
  std::size_t seek(key k) const noexcept {
    auto i = home(k.hash);
    for (std::size_t steps = 0; steps <= mask; ++steps, i = (i + 1) & mask) {
      auto packed = slots[i].packed.load(std::memory_order_acquire);
      if (packed == 0)
        return i;
      if (slots[i].hash.load(std::memory_order_acquire) == k.hash && tag_of(packed) == k.tag)
        return i;
    }
    return 0; // Only a reader that a writer overtook can come here; it looks again.
  }

  void put(std::size_t i, std::uint64_t hash, std::uint64_t packed) noexcept {
    slots[i].hash.store(hash, std::memory_order_release);
    slots[i].packed.store(packed, std::memory_order_release);
  }

  std::size_t mask;
  std::unique_ptr<slot[]> slots;
};

struct alignas(64) directory::stripe {
  // Odd while a writer changes the table.
  std::atomic<std::uint32_t> sequence{0};
  std::atomic<table*> current{nullptr};
  std::mutex writer;
  std::size_t used = 0;
  // Every table this stripe ever had: a reader may still be looking at an old one. Sizes double, so
  // the old ones together are smaller than the current one.
  std::vector<std::unique_ptr<table>> tables;

  void begin_change() noexcept { sequence.fetch_add(1, std::memory_order_relaxed); }
  void end_change() noexcept { sequence.fetch_add(1, std::memory_order_release); }

  void grow();
  void shift_back(std::size_t hole) noexcept;
};

void directory::stripe::grow() {
  const auto* old = current.load(std::memory_order_relaxed);
  auto slot_count = old != nullptr ? (old->mask + 1) * 2 : std::size_t{16};
  auto larger = std::make_unique<table>(slot_count);
  for (std::size_t i = 0; old != nullptr && i <= old->mask; ++i) {
    auto packed = old->slots[i].packed.load(std::memory_order_relaxed);
    if (packed == 0)
      continue;
    auto hash = old->slots[i].hash.load(std::memory_order_relaxed);
    larger->put(larger->seek({hash, tag_of(packed)}), hash, packed);
  }
  current.store(larger.get(), std::memory_order_release);
  tables.push_back(std::move(larger));
}

// Closes a hole so that no probe stops early (Knuth, The Art of Computer Programming 6.4, R).
void directory::stripe::shift_back(std::size_t hole) noexcept {
  auto& t = *current.load(std::memory_order_relaxed);
  for (auto i = (hole + 1) & t.mask;; i = (i + 1) & t.mask) {
    auto packed = t.slots[i].packed.load(std::memory_order_relaxed);
    if (packed == 0)
      break;
    auto hash = t.slots[i].hash.load(std::memory_order_relaxed);
    auto distance = (i - t.home(hash)) & t.mask;
    if (distance < ((i - hole) & t.mask))
      continue;
    t.put(hole, hash, packed);
    hole = i;
  }
  t.put(hole, 0, 0);
}

directory::directory(std::uint64_t seed)
    : seed_{seed}, stripes_{std::make_unique<stripe[]>(std::size_t{1} << stripe_bits)} {
}

directory::~directory() = default;

directory::key directory::key_of(std::string_view id) const noexcept {
  auto hash = XXH3_128bits_withSeed(id.data(), id.size(), seed_);
  return {hash.low64, static_cast<std::uint32_t>(hash.high64 & tag_mask)};
}

directory::stripe& directory::stripe_of(key k) const noexcept {
  return stripes_[k.hash >> (64 - stripe_bits)];
}

std::uint64_t directory::pack(key k, location where) noexcept {
  return used_bit | (where.pinned ? pinned_bit : 0) | (std::uint64_t{k.tag} << tag_shift)
         | (static_cast<std::uint64_t>(where.cell) << 32) | where.row;
}

location directory::unpack(std::uint64_t packed) noexcept {
  return {cell_id{static_cast<std::uint16_t>((packed >> 32) & 0xfff)},
          static_cast<std::uint32_t>(packed), (packed & pinned_bit) != 0};
}

void directory::prefetch(key k) const noexcept {
  const auto* t = stripe_of(k).current.load(std::memory_order_acquire);
  if (t != nullptr)
    __builtin_prefetch(&t->slots[t->home(k.hash)]);
}

std::optional<location> directory::find(key k) const noexcept {
  auto& s = stripe_of(k);
  for (;;) {
    auto before = s.sequence.load(std::memory_order_acquire);
    if (before % 2 != 0)
      continue;
    const auto* t = s.current.load(std::memory_order_acquire);
    if (t == nullptr)
      return std::nullopt;
    const auto& slot = t->slots[t->seek(k)];
    auto packed = slot.packed.load(std::memory_order_acquire);
    bool hit = packed != 0 && slot.hash.load(std::memory_order_acquire) == k.hash
               && tag_of(packed) == k.tag;
    if (s.sequence.load(std::memory_order_relaxed) == before)
      return hit ? std::optional{unpack(packed)} : std::nullopt;
  }
}

bool directory::insert(key k, location where) {
  auto& s = stripe_of(k);
  std::lock_guard guard{s.writer};
  auto* t = s.current.load(std::memory_order_relaxed);
  if (t == nullptr || (s.used + 1) * 4 > (t->mask + 1) * 3) {
    s.grow();
    t = s.current.load(std::memory_order_relaxed);
  }
  auto i = t->seek(k);
  if (t->slots[i].packed.load(std::memory_order_relaxed) != 0)
    return false;
  s.begin_change();
  t->put(i, k.hash, pack(k, where));
  s.end_change();
  ++s.used;
  count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool directory::erase(key k) {
  auto& s = stripe_of(k);
  std::lock_guard guard{s.writer};
  auto* t = s.current.load(std::memory_order_relaxed);
  if (t == nullptr)
    return false;
  auto i = t->seek(k);
  if (t->slots[i].packed.load(std::memory_order_relaxed) == 0)
    return false;
  s.begin_change();
  s.shift_back(i);
  s.end_change();
  --s.used;
  count_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

std::size_t directory::memory_bytes() const {
  auto stripe_count = std::size_t{1} << stripe_bits;
  auto sum = stripe_count * sizeof(stripe);
  for (std::size_t i = 0; i < stripe_count; ++i) {
    std::lock_guard guard{stripes_[i].writer};
    for (const auto& t : stripes_[i].tables)
      sum += sizeof(table) + (t->mask + 1) * sizeof(table::slot);
  }
  return sum;
}

} // namespace gemel
