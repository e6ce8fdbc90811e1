#include "actors/caf.hpp"
#include "load.hpp"
#include "runtime/adapters/machine.hpp"

#include <fmt/format.h>

#include <array>
#include <thread>
#include <unordered_map>

/// The baseline: one plain `caf::event_based_actor` per twin, with the same properties and the same
/// traffic, but nothing of a twin's: no types, keys, stamps, lifecycle, supervision, hierarchy,
/// queries, bounds or checked frames. An id is looked up in a table that is only read.
namespace gemel::bench {

namespace {

using twin_table = std::unordered_map<std::string, caf::actor>;

struct machine {
  std::string name;
  std::string type = "CNC";
  std::string status = "operational";
  double temperature = 68.5;
  double vibration_level = 0.2;
  std::uint64_t version = 1;
  // Empty: nobody wants to know.
  caf::actor subscriber;
};

client_load& load_at(std::uint64_t address) {
  return *reinterpret_cast<client_load*>(static_cast<std::uintptr_t>(address));
}

caf::behavior machine_actor(caf::stateful_actor<machine>* self, std::uint64_t index) {
  self->state.name = fmt::format("Machine-{:03}", index);
  return {
      [self](double temperature, double vibration_level, std::uint64_t asker) {
        auto& state = self->state;
        state.temperature = temperature;
        state.vibration_level = vibration_level;
        state.version += 2;
        if (state.subscriber)
          self->send(state.subscriber, temperature);
        auto& mine = load_at(asker);
        mine.applied.fetch_add(1, std::memory_order_relaxed);
        mine.room.leave();
      },
      [self](const caf::actor& subscriber) { self->state.subscriber = subscriber; },
      [self](close_atom) {
        self->state.subscriber = nullptr;
        self->quit();
      },
  };
}

// One for each building.
struct notified_counts {
  std::atomic<std::uint64_t> all{0};
  std::atomic<std::uint64_t> hot{0};
};

caf::behavior subscriber_of_raw(caf::event_based_actor* self, notified_counts* counts) {
  return {
      [counts](double temperature) {
        counts->all.fetch_add(1, std::memory_order_relaxed);
        if (temperature > 85)
          counts->hot.fetch_add(1, std::memory_order_relaxed);
      },
      [self](close_atom) { self->quit(); },
  };
}

// Every client spawns a part of them.
double spawn_all(caf::actor_system& system, const options& asked, std::vector<caf::actor>& twins) {
  auto began = now_seconds();
  std::vector<std::jthread> threads;
  twins.resize(asked.twins);
  for (unsigned c = 0; c < asked.clients; ++c)
    threads.emplace_back([&, c] {
      for (auto i = asked.twins * c / asked.clients; i < asked.twins * (c + 1) / asked.clients; ++i)
        twins[i] = system.spawn(machine_actor, i);
    });
  threads.clear();
  return now_seconds() - began;
}

rate raw_update_rate(const options& asked, const twin_table& table,
                     const std::vector<std::string>& ids) {
  return measure_rate(asked, updates_under_way, asked.seconds, [&](unsigned c, client_load& mine) {
    random_source random{asked.seed + c + 1};
    while (!mine.stopping()) {
      mine.room.enter();
      caf::anon_send(table.find(ids[random.below(ids.size())])->second, 60 + 25.25 * random.unit(),
                     random.unit(),
                     static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&mine)));
    }
  });
}

std::vector<caf::actor> subscribe_all(caf::actor_system& system,
                                      const std::vector<caf::actor>& twins,
                                      notified_counts& counts) {
  std::vector<caf::actor> subscribers;
  for (std::size_t i = 0; i < twins.size(); ++i) {
    if (i % machines_per_building == 0)
      subscribers.push_back(system.spawn(subscriber_of_raw, &counts));
    caf::anon_send(twins[i], subscribers.back());
  }
  return subscribers;
}

} // namespace

int run_raw_caf(const options& asked) {
  caf_config config{{asked.workers != 0 ? asked.workers : core_count(), false, false}};
  caf::actor_system system{config};
  auto ids = machine_ids(asked);
  auto before = resident_bytes();
  std::vector<caf::actor> twins;
  auto took = spawn_all(system, asked, twins);
  auto per_twin = 1 / static_cast<double>(asked.twins);
  report(asked, "raw-caf", "create_rate", 1 / (took * per_twin), "twins/s");
  report(asked, "raw-caf", "rss_per_twin",
         static_cast<double>(resident_bytes() - before) * per_twin, "bytes");
  twin_table table;
  for (std::size_t i = 0; i < twins.size(); ++i)
    table.emplace(ids[i], twins[i]);
  report_rate(asked, "raw-caf", "update_rate", raw_update_rate(asked, table, ids));
  notified_counts counts;
  auto subscribers = subscribe_all(system, twins, counts);
  auto measured = raw_update_rate(asked, table, ids);
  report_rate(asked, "raw-caf", "notified_update_rate", measured);
  report(asked, "raw-caf", "notified_above_85", static_cast<double>(counts.hot.load()), "updates");
  for (auto& twin : twins)
    caf::anon_send(twin, close_atom::value);
  for (auto& subscriber : subscribers)
    caf::anon_send(subscriber, close_atom::value);
  return 0;
}

} // namespace gemel::bench
