#include "runtime/detail/node_store.hpp"

#include "messages/names.hpp"
#include "runtime/adapters/machine.hpp"
#include "runtime/adapters/parallel.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace gemel {

namespace {

// After so many snapshots the log forgets what it can.
constexpr std::uint64_t snapshots_per_trim = 16;

void log_fault(std::string_view what) noexcept {
  try {
    spdlog::error("store: {}", what);
  } catch (...) { // No memory for the line.
  }
}

} // namespace

node_store::node_store(std::unique_ptr<rocks_store> opened)
    : store_{std::move(opened)}, link_{*store_} {
}

result<std::unique_ptr<node_store>> node_store::open(const node_config& config,
                                                     const model_table& models, std::uint32_t cells,
                                                     std::function<void(const char*)> at_point) {
  rocks_store::options wanted;
  wanted.path = config.store.path;
  wanted.node = config.node.id;
  wanted.boot = boot_id();
  wanted.fresh_id = make_uuid(system_entropy(), system_entropy());
  wanted.at_point = std::move(at_point);
  wanted.ballast_bytes = config.store.reserve_bytes;
  auto opened = rocks_store::open(std::move(wanted));
  if (!opened)
    return tl::unexpected<error>(std::move(opened.error()));
  std::unique_ptr<node_store> made{new node_store{std::move(*opened)}};
  auto& link = made->link_;
  link.writer = static_cast<std::uint16_t>(made->store_->identity().incarnation);
  link.fallback = config.store.level;
  for (const auto& [type, section] : config.types)
    if (const auto* model = models.find(type);
        model != nullptr && model->durable != type_durability::node)
      link.by_type[type] = static_cast<durability>(static_cast<int>(model->durable) - 1);
  link.active_max = config.store.max_active;
  link.pass_bytes_min = std::max<std::uint64_t>(config.store.log_bytes / cells, 1);
  link.on_fault = log_fault;
  link.on_snapshot = [self = made.get()] { self->snapshot_written(); };
  return made;
}

result<recovery_facts> node_store::recover(directory& twins, const std::vector<cell*>& cells,
                                           const moment& now) {
  recovery_ = std::make_unique<recovery>(
      *store_, twins, cells, [](const auto& jobs) { run_parallel(jobs, core_count()); });
  auto found = recovery_->run(now);
  if (!found)
    return found;
  facts_ = *found;
  for (auto* one : cells)
    journals_.push_back(one->journal());
  return found;
}

std::vector<std::function<void(cell&, const moment&)>> node_store::first_jobs() {
  auto jobs = recovery_->first_jobs();
  recovery_.reset();
  return jobs;
}

void node_store::snapshot_written() {
  if (snapshots_.fetch_add(1) % snapshots_per_trim == snapshots_per_trim - 1)
    trim();
}

/// In this order: what a cell begins to need after it was asked lies behind what is written now.
void node_store::trim() {
  auto up_to = static_cast<std::uint64_t>(store_->reached(durability::process));
  for (const auto* one : journals_)
    up_to = std::min(up_to, static_cast<std::uint64_t>(one->oldest_needed()) - 1);
  if (auto done = store_->trim(log_position{up_to}); !done)
    log_fault("the log cannot be trimmed: " + to_string(done.error()));
}

void node_store::add_stats(stats_record& stats) const {
  auto add = [&](const char* name, std::uint64_t number, const char* help) {
    stats.counters.push_back({name, static_cast<double>(number), help});
  };
  auto count = store_->count();
  auto [first, last] = store_->log_range();
  add("gemel_store_state", static_cast<std::uint64_t>(store_->present()),
      "0: writes are taken, 1: the disk is full, 2: the disk failed");
  add("gemel_store_records_total", count.records, "Records written to the log");
  add("gemel_store_record_bytes_total", count.record_bytes, "Bytes of these");
  add("gemel_store_groups_total", count.groups, "Writes to the disk, each of some records");
  add("gemel_store_syncs_total", count.syncs, "Times the log was forced to the disk");
  add("gemel_store_queue_bytes", count.queue_bytes, "Bytes that wait for the log");
  add("gemel_store_snapshots_total", count.snapshots, "Snapshots of shards written");
  add("gemel_store_snapshots_failed_total", count.snapshots_failed, "Snapshots that failed");
  add("gemel_store_trims_total", count.trims, "Times the log forgot what snapshots have");
  add("gemel_store_trimmed_records_total", count.trimmed, "Records that it forgot");
  add("gemel_store_full_total", count.times_full, "Times the disk was full");
  add("gemel_store_log_first", static_cast<std::uint64_t>(first), "First record the log holds");
  add("gemel_store_log_last", static_cast<std::uint64_t>(last), "Last record of the log");
  add("gemel_store_recovered_twins", facts_.twins, "Twins found in the store at the start");
  add("gemel_store_recovered_events", facts_.events, "Events read from the log at the start");
  add("gemel_store_incarnation", store_->identity().incarnation,
      "Raised by whatever may have lost writes");
  auto reads = store_->read_latency();
  auto at = [&](double quantile) {
    return static_cast<std::uint64_t>(reads.value_at(quantile).count());
  };
  stats.latencies.push_back({"gemel_activation_latency", reads.count(), at(0.5), at(0.99),
                             at(0.999), static_cast<std::uint64_t>(reads.max().count())});
}

} // namespace gemel
