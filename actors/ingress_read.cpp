#include "actors/detail/record_bytes.hpp"
#include "actors/ingress.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <numeric>

namespace gemel {

namespace {

// A job under way in every cell; the last one answers.
class gathering {
public:
  gathering(std::function<void(cell&, std::size_t)> job, reply_function reply,
            std::function<void()> done, std::size_t cells, std::shared_ptr<twin_mover> mover)
      : job_{std::move(job)}, reply_{std::move(reply)}, done_{std::move(done)}, open_{cells},
        pass_{std::move(mover)} {}

  void run(cell& c, std::size_t index) {
    job_(c, index);
    leave();
  }
  // Instead of the rest of `run`, which threw; maybe while it answered.
  void fail(const error& why) {
    bool first = !failed_.exchange(true);
    if (first)
      why_ = why;
    if (open_.load(std::memory_order_acquire) != 0)
      leave();
    else if (first)
      answer_failed();
  }

private:
  void leave() {
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1)
      return;
    if (failed_)
      answer_failed();
    else
      done_();
  }
  void answer_failed() {
    if (reply_)
      reply_(make_error_reply(why_));
  }

  std::function<void(cell&, std::size_t)> job_;
  reply_function reply_;
  std::function<void()> done_;
  std::atomic<std::size_t> open_;
  twin_mover::scan_pass pass_;
  std::atomic<bool> failed_{false};
  // Of the first that failed.
  error why_;
};

// What a get asks for, and what the cells found of it.
template <class NamedTwin>
struct asked_twins {
  std::vector<NamedTwin> ids; // the aliases behind the ids
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> wanted; // by cell: index, row
  std::vector<std::optional<twin_record>> found;
  std::uint64_t commits = 0;
  bool with_stamps = false;
  std::vector<std::string> only;
  std::atomic<bool> torn{false};
};

// The answer, or why it is too large for one. @param bytes_max of a page of several.
template <class NamedTwin>
frame page_of(asked_twins<NamedTwin>& asked, std::size_t bytes_max) {
  twin_page page;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < asked.found.size(); ++i) {
    if (!asked.found[i]) {
      page.missing.push_back(asked.ids[i].asked);
      continue;
    }
    bytes += detail::bytes_of(*asked.found[i]);
    page.twins.push_back(std::move(*asked.found[i]));
  }
  if (bytes > bytes_max && page.twins.size() > 1)
    return make_error_reply(
        {errc::limit_reached, "these twins do not fit one answer; ask for fewer at once"});
  if (bytes > limits::frame_bytes_max)
    return make_error_reply(detail::too_large(page.twins[0]));
  return make_page_reply(page);
}

} // namespace

void ingress::in_each_cell(std::function<void(cell&, std::size_t)> job, const reply_function& reply,
                           std::function<void()> done) {
  std::vector<std::size_t> all(cells_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  in_cells(all, std::move(job), reply, std::move(done));
}

void ingress::in_cells(std::span<const std::size_t> which,
                       std::function<void(cell&, std::size_t)> job, const reply_function& reply,
                       std::function<void()> done) {
  if (which.empty())
    return done();
  auto shared =
      std::make_shared<gathering>(std::move(job), reply, std::move(done), which.size(), mover_);
  for (auto i : which)
    cells_[i]->push_ordered(cell_job{[shared, i](cell& c, const moment&) { shared->run(c, i); },
                                     [shared](const error& why) { shared->fail(why); }});
}

error ingress::overloaded(std::string why) const {
  std::uint32_t after = 1;
  for (const auto* each : cells_)
    after = std::max(after, each->retry_after_ms());
  return {errc::overloaded, std::move(why), after};
}

void ingress::gather(std::function<void(cell&, std::size_t)> job, const reply_function& reply,
                     std::function<void()> done) {
  // Given back when the last cell lets go of it, answered or not.
  if (auto seat = take_seat(reply))
    in_each_cell(std::move(job), reply, [seat, done = std::move(done)] { done(); });
}

std::shared_ptr<void> ingress::take_seat(const reply_function& reply) {
  auto stand_up = [this, pass = std::make_shared<twin_mover::scan_pass>(mover_)](void*) {
    gatherings_.fetch_sub(1, std::memory_order_relaxed);
  };
  std::shared_ptr<void> seat{this, stand_up};
  if (gatherings_.fetch_add(1, std::memory_order_relaxed) < limits_.gatherings_max)
    return seat;
  if (reply)
    reply(make_error_reply(overloaded("too many requests are under way")));
  return nullptr;
}

void ingress::scan(std::function<void()> ask, const reply_function& reply, bool always) {
  switch (mover_->enter_scan(ask, always)) {
  case twin_mover::scan_entry::entered:
    ask();
    return mover_->leave_scan();
  case twin_mover::scan_entry::held:
    return;
  case twin_mover::scan_entry::refused:
    return reply(make_error_reply(overloaded("too much waits for twins that are being moved")));
  }
}

/// Who has the alias now; nobody: an empty id.
ingress::named_twin ingress::named_by(wire::Alias::Reader alias) const {
  auto property = text_of(alias.getProperty());
  auto content = read_value(alias.getContent());
  auto holder =
      limits_.aliases != nullptr ? limits_.aliases->find(property, content) : std::nullopt;
  return {std::string{property} + "=" + to_string(content), holder.value_or(std::string{})};
}

result<void> ingress::check_aliases(wire::Get::Reader wanted) const {
  static const model_table none;
  const auto& models = limits_.models != nullptr ? *limits_.models : none;
  for (auto alias : wanted.getAliases())
    if (auto known = models.check_alias(text_of(alias.getProperty())); !known)
      return known;
  return {};
}

result<void> check_only(wire::Get::Reader wanted) {
  if (wanted.getOnly().size() <= limits::get_only_max)
    return {};
  return fail(errc::limit_reached, std::to_string(wanted.getOnly().size())
                                       + " properties are asked for alone, at most "
                                       + std::to_string(limits::get_only_max));
}

/// Reads each cell's twins in one turn of it. Atomic batches that took effect in between may show
/// in some of them and not in others; then all is read anew.
void ingress::get(const frame& request, const reply_function& reply, std::uint32_t attempt) {
  if (auto known = check_aliases(request.message().getGet()); !known)
    return reply(make_error_reply(known.error()));
  if (auto few = check_only(request.message().getGet()); !few)
    return reply(make_error_reply(few.error()));
  auto shared = std::make_shared<asked_twins<named_twin>>();
  for (auto id : request.message().getGet().getIds())
    shared->ids.push_back({std::string{text_of(id)}, std::string{text_of(id)}});
  for (auto alias : request.message().getGet().getAliases())
    shared->ids.push_back(named_by(alias));
  shared->wanted.resize(cells_.size());
  shared->found.resize(shared->ids.size());
  shared->commits = commits_.load();
  shared->with_stamps = request.message().getGet().getWithStamps();
  for (auto key : request.message().getGet().getOnly())
    shared->only.emplace_back(text_of(key));
  for (std::uint32_t i = 0; i < shared->ids.size(); ++i)
    if (auto where = twins_.find(shared->ids[i].id); where && !shared->ids[i].id.empty())
      shared->wanted[static_cast<std::size_t>(where->cell)].emplace_back(i, where->row);
  std::vector<std::size_t> concerned;
  for (std::size_t i = 0; i < shared->wanted.size(); ++i)
    if (!shared->wanted[i].empty())
      concerned.push_back(i);
  auto seat = take_seat(reply);
  if (seat == nullptr)
    return;
  in_cells(
      concerned,
      [shared](cell& c, std::size_t index) {
        for (auto [i, row] : shared->wanted[index])
          if (c.holds(row, shared->ids[i].id)) {
            if (auto awake = c.wake(row); !awake)
              throw std::runtime_error{to_string(awake.error())};
            shared->found[i] = shared->only.empty() ? c.record(row, shared->with_stamps)
                                                    : c.record_only(row, shared->only);
            if (shared->ids.size() > 1 && c.may_be_torn(row, shared->commits))
              shared->torn = true;
          }
      },
      reply,
      [this, request, shared, reply, attempt, seat] {
        if (shared->torn && attempt < limits::read_attempts_max)
          return get(request, reply, attempt + 1);
        if (shared->torn)
          return reply(make_error_reply(
              {errc::twin_busy, "atomic batches change these twins all the time"}));
        reply(page_of(*shared, limits_.page_bytes_max));
      });
}

void ingress::stats(const reply_function& reply) {
  struct gathering {
    std::mutex mutex;
    cell_counters sum;
    histogram latency;
    std::uint64_t twins = 0;
    std::uint64_t groups = 0;
    std::uint64_t active = 0;
  };
  auto shared = std::make_shared<gathering>();
  gather(
      [shared](cell& c, std::size_t) {
        std::lock_guard guard{shared->mutex};
        shared->sum += c.counters();
        shared->latency.merge(c.update_latency());
        shared->twins += c.twins();
        shared->active += c.residents().active();
        shared->groups += c.groups();
      },
      reply,
      [this, shared, reply] {
        const auto& c = shared->sum;
        auto number = [](std::uint64_t n) { return static_cast<double>(n); };
        stats_record made;
        made.counters = {
            {"gemel_twins", number(shared->twins), "Live twins"},
            {"gemel_hierarchy_groups", number(shared->groups), "Hierarchy actors"},
            {"gemel_twins_created_total", number(c.created), "Twins made"},
            {"gemel_twins_removed_total", number(c.removed), "Twins deleted"},
            {"gemel_updates_applied_total", number(c.updates_applied), "Updates applied"},
            {"gemel_updates_unchanged_total", number(c.updates_unchanged),
             "Applied updates that changed nothing"},
            {"gemel_updates_refused_total", number(c.refused), "Updates that a twin refused"},
            {"gemel_properties_changed_total", number(c.properties_changed), "Properties changed"},
            {"gemel_crashes_total", number(c.crashes), "Behaviours that threw"},
            {"gemel_restarts_total", number(c.restarts), "Twins restarted by their supervisor"},
            {"gemel_commands_total", number(c.commands), "Commands that were asked of twins"},
            {"gemel_commands_failed_total", number(c.commands_failed),
             "Commands that were answered with an error"},
            {"gemel_ticks_total", number(c.ticks), "Ticks of behaviours"},
            {"gemel_emitted_total", number(c.emitted), "Events that change no property"},
            {"gemel_escalations_total", number(c.escalations), "Supervisors that gave up"},
            {"gemel_faulted_total", number(c.gave_up), "Twins that became faulted"},
            {"gemel_events_total", number(c.events), "Events of twins"},
            {"gemel_events_delivered_total", number(c.events_delivered),
             "Events given to subscribers"},
            {"gemel_events_missed_total", number(c.events_missed),
             "Events that slow subscribers were told they missed"},
            {"gemel_queries_total", number(queries_.load()), "Queries answered"},
            {"gemel_rows_scanned_total", number(c.rows_scanned), "Rows looked at by queries"},
            {"gemel_twins_active", number(shared->active), "Twins in memory"},
            {"gemel_twins_passive", number(shared->twins - std::min(shared->twins, shared->active)),
             "Twins out of memory"},
            {"gemel_activations_total", number(c.activations), "Twins that came back into memory"},
            {"gemel_activations_failed_total", number(c.activations_failed),
             "Twins whose values the store could not give"},
            {"gemel_passivations_total", number(c.passivations), "Twins that left memory"},
            {"gemel_subscriptions", number(subscriptions()), "Open subscriptions"},
        };
        const auto& h = shared->latency;
        auto at = [&](double quantile) {
          return static_cast<std::uint64_t>(h.value_at(quantile).count());
        };
        made.latencies.push_back({"gemel_update_latency", h.count(), at(0.5), at(0.99), at(0.999),
                                  static_cast<std::uint64_t>(h.max().count())});
        if (extra_stats_)
          extra_stats_(made);
        reply(make_stats_reply(made));
      });
}

} // namespace gemel
