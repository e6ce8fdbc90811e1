#include "actors/sync/replica_keeper.hpp"

#include "messages/limits.hpp"

#include <algorithm>
#include <tuple>

namespace gemel {

namespace {

// A key is the shard, a kind, and the kind's own numbers; all big-endian, so that they are in
// order. The kinds are in the order in which a start wants them.
enum class kind : char { head = 'h', position = 'p', record = 'r', page = 's' };

constexpr std::size_t kind_at = sizeof(std::uint16_t);
// What the writing of a page costs at least.
constexpr std::int64_t page_bytes_min = 256;

template <class Number>
void add(std::string& key, Number number) {
  for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8)
    key.push_back(static_cast<char>(number >> shift & 0xff));
}

std::uint64_t number_at(std::string_view key, std::size_t from, std::size_t size) {
  std::uint64_t made = 0;
  for (char byte : key.substr(from, size))
    made = made << 8 | static_cast<unsigned char>(byte);
  return made;
}

template <class... Numbers>
std::string key_of(std::uint16_t shard, kind of, Numbers... numbers) {
  std::string made;
  add(made, shard);
  made.push_back(static_cast<char>(of));
  (add(made, numbers), ...);
  return made;
}

std::string record_key(std::uint16_t shard, std::uint64_t number) {
  return key_of(shard, kind::record, number);
}

std::string page_key(std::uint16_t shard, std::uint64_t generation, std::uint32_t page) {
  return key_of(shard, kind::page, generation, page);
}

replica_head head_of(std::uint16_t shard, const shard_replica& of) {
  return {shard, of.last_change(), of.forgotten(), {}, of.clock()};
}

using numbered_entry = shard_replica::numbered_entry;

// Of each property its latest change; sorted by twin and key.
void keep_latest(std::vector<numbered_entry>& all) {
  auto name = [](const numbered_entry& one) { return std::tie(one.second.twin, one.second.key); };
  std::sort(all.begin(), all.end(), [&](const auto& l, const auto& r) {
    return name(l) != name(r) ? name(l) < name(r) : l.first > r.first;
  });
  auto same = [&](const auto& l, const auto& r) { return name(l) == name(r); };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
}

// A page may be older than the delete of a twin, and the mark of that gone already: what belongs to
// a life that is not there is not there either.
void drop_dead(std::vector<numbered_entry>& all) {
  replicated_entry life; // of the twin at hand: its key comes before all others
  std::erase_if(all, [&](numbered_entry& one) {
    auto& entry = one.second;
    if (entry.key == replica_keys::life) {
      life = entry;
      return false;
    }
    if (life.twin != entry.twin || life.siblings.empty())
      return true;
    auto before = entry.siblings.size();
    erase_if(entry.siblings, [&](const sibling& s) {
      return std::none_of(life.siblings.begin(), life.siblings.end(),
                          [&](const sibling& l) { return l.write == s.life; });
    });
    return before > 0 && entry.siblings.empty();
  });
}

tl::unexpected<error> corrupt(std::uint16_t shard, const std::string& what) {
  return fail(errc::store_corrupt, "replicas, shard " + std::to_string(shard) + ": " + what);
}

} // namespace

// ---- keeping ------------------------------------------------------------------------------------

void replica_keeper::append(const replica_head& head, std::span<const changed_entry> changes,
                            const shard_replica& of) {
  auto& state = shards_[head.shard];
  auto packed = pack_record(head, changes);
  to_->put(record_key(head.shard, state.next_record), packed);
  ++state.next_record;
  if (const auto& p = head.position; p.received != 0)
    state.positions[{p.site, p.incarnation}] = p.received;
  state.log_bytes += packed.size();
  state.debt += static_cast<std::int64_t>(packed.size());
  if (state.cycle_first == 0 && state.log_bytes >= cycle_bytes_min_) {
    state.cycle_first = state.next_record;
    state.next_page = 0;
    state.debt = static_cast<std::int64_t>(packed.size());
    state.log_bytes = 0;
  }
  if (state.cycle_first != 0)
    make_pages(head.shard, state, of);
}

void replica_keeper::make_pages(std::uint16_t number, shard_state& state, const shard_replica& of) {
  for (; state.debt > 0 && state.next_page < of.pages(); ++state.next_page) {
    auto packed = pack_record({number, of.last_change(), 0, {}, {}}, of.page(state.next_page));
    to_->put(page_key(number, state.generation, state.next_page), packed);
    state.debt -= std::max(static_cast<std::int64_t>(packed.size()), page_bytes_min);
  }
  if (state.next_page >= of.pages())
    end_cycle(number, state, of);
}

void replica_keeper::end_cycle(std::uint16_t number, shard_state& state, const shard_replica& of) {
  to_->put(key_of(number, kind::head), pack_record(head_of(number, of), {}));
  for (const auto& [life, received] : state.positions) {
    replica_head position{number, 0, 0, {life.first, life.second, received}, {}};
    to_->put(key_of(number, kind::position, static_cast<std::uint32_t>(life.first), life.second),
             pack_record(position, {}));
  }
  to_->erase(record_key(number, 0), record_key(number, state.cycle_first));
  if (std::exchange(state.is_first_cycle, false)) // Of earlier lives.
    to_->erase(page_key(number, 0, 0), page_key(number, state.generation, 0));
  state.cycle_first = 0;
}

// ---- loading ------------------------------------------------------------------------------------

result<void> replica_loader::take(std::string_view key, std::string_view bytes) {
  if (key.size() <= kind_at || number_at(key, 0, kind_at) >= limits::replica_shards)
    return fail(errc::incompatible, "replicas: kept by an earlier version; start the node once "
                                    "without peers, then they are made anew");
  auto shard = static_cast<std::uint16_t>(number_at(key, 0, kind_at));
  if (has_shard_ && shard != shard_)
    if (auto done = finish_shard(); !done)
      return done;
  shard_ = shard;
  has_shard_ = true;
  auto record = unpack_record(bytes);
  if (!record)
    return tl::unexpected<error>(std::move(record.error()));
  if (record->shard != shard)
    return corrupt(shard, "a record of shard " + std::to_string(record->shard));
  auto& state = keeper_.shards_[shard];
  constexpr std::size_t begin = kind_at + 1;
  constexpr std::size_t wide = sizeof(std::uint64_t);
  switch (static_cast<kind>(key[kind_at])) {
  case kind::head:
    head_ = std::move(*record);
    has_head_ = true;
    return {};
  case kind::position:
    into_.restore(*record);
    state.positions[{record->position.site, record->position.incarnation}] =
        record->position.received;
    return {};
  case kind::record:
    return take_record(state, number_at(key, begin, wide), std::move(*record), bytes.size());
  case kind::page:
    state.generation = number_at(key, begin, wide) + 1;
    for (std::size_t i = 0; i < record->entries.size(); ++i)
      found_.emplace_back(record->numbers[i], std::move(record->entries[i]));
    return {};
  }
  return corrupt(shard, "a key of an unknown kind");
}

result<void> replica_loader::take_record(replica_keeper::shard_state& state, std::uint64_t number,
                                         replica_record record, std::size_t bytes) {
  if (last_record_ != 0 && number != last_record_ + 1)
    return corrupt(shard_, "record " + std::to_string(last_record_ + 1) + " is missing");
  if (record.last_change < last_change_)
    return corrupt(shard_, "record " + std::to_string(number) + " goes back in time");
  last_record_ = number;
  last_change_ = record.last_change;
  state.next_record = number + 1;
  state.log_bytes += bytes;
  for (std::size_t i = 0; i < record.entries.size(); ++i)
    found_.emplace_back(record.numbers[i], std::move(record.entries[i]));
  if (const auto& p = record.position; p.received != 0) {
    into_.restore(record);
    state.positions[{p.site, p.incarnation}] = p.received;
  }
  has_head_ = true;
  if (record.last_change < head_.last_change)
    return {}; // The head was made later, when a cycle ended.
  head_.last_change = record.last_change;
  head_.forgotten = std::max(head_.forgotten, record.forgotten);
  head_.clock = std::move(record.clock);
  return {};
}

result<void> replica_loader::finish() {
  return has_shard_ ? finish_shard() : result<void>{};
}

result<void> replica_loader::finish_shard() {
  if (!has_head_)
    return corrupt(shard_, "pages without a head");
  head_.shard = shard_;
  auto entries = latest();
  if (!entries)
    return tl::unexpected<error>(std::move(entries.error()));
  into_.restore(head_, std::move(*entries));
  has_head_ = has_shard_ = false;
  head_ = {};
  last_record_ = 0;
  last_change_ = 0;
  found_.clear();
  return {};
}

result<std::vector<replica_loader::numbered_entry>> replica_loader::latest() {
  keep_latest(found_);
  drop_dead(found_);
  std::erase_if(found_, [&](const numbered_entry& one) {
    return one.second.siblings.empty() && one.first <= head_.forgotten;
  });
  std::sort(found_.begin(), found_.end(),
            [](const auto& l, const auto& r) { return l.first < r.first; });
  auto twice = [](const auto& l, const auto& r) { return l.first == r.first; };
  if (std::adjacent_find(found_.begin(), found_.end(), twice) != found_.end())
    return corrupt(shard_, "two changes of one number");
  if (!found_.empty() && found_.back().first > head_.last_change)
    return corrupt(shard_, "a change after the last");
  return std::move(found_);
}

} // namespace gemel
