#include "actors/cell_query.hpp"
#include "actors/detail/record_bytes.hpp"
#include "actors/ingress.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <numeric>

namespace gemel {

namespace {

query_spec spec_of(wire::Query::Reader asked, std::uint32_t page_rows_max) {
  constexpr std::size_t limit_default = 100;
  query_spec spec;
  spec.type = text_of(asked.getType());
  spec.parent = text_of(asked.getParent());
  spec.ancestor = text_of(asked.getAncestor());
  spec.where = text_of(asked.getWhere());
  for (auto one : asked.getSelect())
    spec.select.emplace_back(text_of(one));
  spec.order_by = text_of(asked.getOrderBy());
  spec.descending = asked.getDescending();
  spec.limit = asked.getLimit() == 0 ? std::min<std::size_t>(limit_default, page_rows_max)
                                     : asked.getLimit();
  spec.page_token = text_of(asked.getPageToken());
  spec.count_only = asked.getCountOnly();
  return spec;
}

std::vector<std::string> texts_of(capnp::List<capnp::Text>::Reader list) {
  std::vector<std::string> made;
  for (auto one : list)
    made.emplace_back(text_of(one));
  return made;
}

// Groups come whole and in their own order, so what orders and pages rows has no meaning for them.
result<void> check_groups(const query_spec& spec) {
  if (!spec.select.empty() || !spec.order_by.empty() || !spec.page_token.empty() || spec.count_only)
    return fail(errc::bad_value, "groups are not combined with select, order_by, pages or a count");
  return {};
}

result<cell_query_plan> plan_of(wire::Query::Reader asked, std::uint32_t page_rows_max) {
  auto spec = spec_of(asked, page_rows_max);
  if (spec.limit > page_rows_max)
    return fail(errc::limit_reached,
                "limits.page_rows_max: " + std::to_string(spec.limit) + " rows");
  auto rows = query_plan::make(std::move(spec));
  if (!rows)
    return tl::unexpected<error>(std::move(rows.error()));
  cell_query_plan made{std::move(*rows)};
  made.roots_only = asked.getRootsOnly();
  if (asked.getGroupBy().size() > 0 || asked.getAggregates().size() > 0) {
    if (auto fine = check_groups(made.rows.spec()); !fine)
      return tl::unexpected<error>(std::move(fine.error()));
    auto groups = group_plan::make(texts_of(asked.getGroupBy()), texts_of(asked.getAggregates()));
    if (!groups)
      return tl::unexpected<error>(std::move(groups.error()));
    made.groups = std::move(*groups);
  }
  if (made.rows.where())
    made.access = query_access::of(*made.rows.where());
  if (made.rows.order_by())
    made.order_property = plain_property(*made.rows.order_by());
  return made;
}

} // namespace

// One query on its way: each cell fills its own answer, the last one merges.
class ingress::query_gathering {
public:
  /// @param seat is held until the last cell lets go of this.
  query_gathering(cell_query_plan plan, bool explain, std::size_t all_cells,
                  std::size_t page_bytes_max, reply_function reply, std::shared_ptr<void> seat)
      : plan_{std::move(plan)}, explain_{explain}, all_cells_{all_cells},
        page_bytes_max_{page_bytes_max}, reply_{std::move(reply)}, seat_{std::move(seat)} {}

  const cell_query_plan& plan() const noexcept { return plan_; }

  void ask(std::vector<std::size_t> cells) {
    cells_ = std::move(cells);
    open_ = cells_.size();
    for (std::size_t i = 0; i < cells_.size(); ++i)
      queries_.push_back(std::make_unique<cell_query>(plan_));
    pages_.resize(cells_.size());
    records_.resize(cells_.size());
  }

  std::size_t parts() const noexcept { return cells_.size(); }
  std::size_t cell_of(std::size_t part) const noexcept { return cells_[part]; }

  // One slice; true: this part has to go on.
  bool run_in(cell& c, std::size_t part) {
    auto& query = *queries_[part];
    if (!query.run(c))
      return true;
    if (!plan_.groups && !query.failure()) {
      pages_[part] = query.take_page();
      if (!plan_.rows.spec().count_only)
        keep_records(c, part);
    }
    leave();
    return false;
  }

  // Instead of the rest of `run_in`, which threw; maybe while it answered.
  void part_failed(const error& why) {
    bool first = !failed_.exchange(true);
    if (first)
      why_ = why;
    if (open_.load(std::memory_order_acquire) != 0)
      leave();
    else if (first)
      reply_(make_error_reply(why_));
  }

  void reply() { reply_(answer()); }

private:
  void leave() {
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1)
      return;
    if (failed_)
      reply_(make_error_reply(why_));
    else
      reply();
  }

  frame answer() {
    for (const auto& each : queries_)
      if (each->failure())
        return make_error_reply(*each->failure());
    twin_page page;
    if (plan_.groups) {
      if (auto merged = merge_groups(page); !merged)
        return make_error_reply(merged.error());
    } else {
      merge_rows(page);
      if (too_large_)
        return make_error_reply(*too_large_);
    }
    if (explain_)
      page.explanation = explanation();
    return make_page_reply(page);
  }

  // Rows may change before all cells have answered, so each keeps what its page will show.
  void keep_records(cell& c, std::size_t part) {
    std::vector<twin_binder> binders;
    for (const auto& wanted : plan_.rows.select())
      binders.emplace_back(wanted, c.keys());
    std::size_t bytes = 0;
    auto& rows = pages_[part].rows;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      auto row_index = static_cast<std::uint32_t>(rows[n].payload);
      if (!c.holds(row_index, rows[n].place.id)) {
        // It was deleted between two slices.
        rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(n--));
        continue;
      }
      const cell::glimpse seen{c, row_index};
      seen.expect();
      auto record = c.record(row_index);
      if (!binders.empty())
        record.properties = selected(c, c.row(row_index), binders);
      bytes += detail::bytes_of(record);
      if (bytes > page_bytes_max_ && n > 0) {
        rows.resize(n);
        pages_[part].more = true;
        return;
      }
      rows[n].payload = records_[part].size();
      records_[part].push_back(std::move(record));
    }
    pages_[part].more = pages_[part].more && !rows.empty();
  }

  properties selected(const cell& c, const twin_row& row, std::vector<twin_binder>& binders) {
    properties made;
    for (std::size_t i = 0; i < binders.size(); ++i) {
      auto content = plan_.rows.select()[i].evaluate(binders[i].bind(row, c.about(row)));
      if (!content.is_null())
        made.push_back({plan_.rows.spec().select[i], std::move(content)});
    }
    return made;
  }

  void merge_rows(twin_page& page) {
    auto merged = merge(plan_.rows, std::move(pages_));
    if (plan_.rows.spec().count_only) {
      page.total = merged.matches;
      return;
    }
    page.next = merged.next;
    std::size_t bytes = 0;
    for (const auto& row : merged.rows) {
      auto& twin = records_[row.part][row.payload];
      bytes += detail::bytes_of(twin);
      if (bytes > limits::frame_bytes_max && page.twins.empty()) {
        too_large_ = detail::too_large(twin);
        return;
      }
      if (bytes > page_bytes_max_ && !page.twins.empty()) {
        page.next = plan_.rows.token_behind(merged.rows[page.twins.size() - 1].place);
        return;
      }
      page.twins.push_back(std::move(twin));
    }
  }

  result<void> merge_groups(twin_page& page) {
    group_table all{*plan_.groups};
    for (const auto& each : queries_)
      if (auto merged = all.merge(each->groups()); !merged)
        return merged;
    page.groups = all.records();
    std::size_t bytes = 0;
    for (const auto& group : page.groups)
      for (const auto* list : {&group.keys, &group.values})
        for (const auto& content : *list)
          bytes += 32 + content.heap_bytes() + content.heap_bytes() / 2;
    if (bytes > page_bytes_max_)
      return fail(errc::limit_reached, "these groups do not fit one answer; group by something "
                                       "coarser");
    return {};
  }

  std::string explanation() const {
    std::map<std::string, cell_query::effort> sums;
    for (const auto& each : queries_)
      for (const auto& [what, effort] : each->efforts()) {
        auto& sum = sums[what];
        sum.cells += effort.cells;
        sum.looked_at += effort.looked_at;
        sum.matched += effort.matched;
      }
    auto text =
        "asked " + std::to_string(cells_.size()) + " of " + std::to_string(all_cells_) + " cells\n";
    for (const auto& [what, sum] : sums)
      text += what + ": " + std::to_string(sum.looked_at) + " rows looked at in "
              + std::to_string(sum.cells) + " cells, " + std::to_string(sum.matched) + " match\n";
    if (plan_.access.never)
      text += "the condition contradicts itself: no twin can match\n";
    return text;
  }

  cell_query_plan plan_;
  bool explain_;
  std::size_t all_cells_;
  std::size_t page_bytes_max_;
  reply_function reply_;
  std::shared_ptr<void> seat_;
  std::vector<std::size_t> cells_;
  std::atomic<std::size_t> open_{0};
  std::atomic<bool> failed_{false};
  // Of the first that failed.
  error why_;
  std::vector<std::unique_ptr<cell_query>> queries_;
  std::vector<query_page> pages_;
  std::vector<std::vector<twin_record>> records_;
  std::optional<error> too_large_;
};

/// The cells that can have a match: one for a twin by its id and for the children of one parent.
std::vector<std::size_t> ingress::cells_of(const cell_query_plan& plan) const {
  const auto& access = plan.access;
  const auto& spec = plan.rows.spec();
  if (access.never || (access.parent && !spec.parent.empty() && *access.parent != spec.parent))
    return {};
  if (access.id) {
    auto at = twins_.find(*access.id);
    return at ? std::vector{static_cast<std::size_t>(at->cell)} : std::vector<std::size_t>{};
  }
  const auto& parent = access.parent ? *access.parent : spec.parent;
  if (!parent.empty()) {
    auto at = twins_.find(parent);
    if (!at)
      return {};
    auto cell = at->pinned ? at->cell : cell_of(shard_of(parent), limits_.cells);
    return {static_cast<std::size_t>(cell)};
  }
  std::vector<std::size_t> all(cells_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

void ingress::run_query(const std::shared_ptr<query_gathering>& of, std::size_t part) {
  auto run = [this, of, part](cell& c, const moment&) {
    if (of->run_in(c, part))
      run_query(of, part);
  };
  cells_[of->cell_of(part)]->push_ordered(
      cell_job{std::move(run), [of](const error& why) { of->part_failed(why); }});
}

void ingress::query(const frame& request, const reply_function& reply) {
  auto asked = request.message().getQuery();
  auto plan = plan_of(asked, limits_.page_rows_max);
  if (!plan)
    return reply(make_error_reply(plan.error()));
  auto seat = take_seat(reply);
  if (seat == nullptr)
    return;
  queries_.fetch_add(1, std::memory_order_relaxed);
  auto shared =
      std::make_shared<query_gathering>(std::move(*plan), asked.getExplain(), cells_.size(),
                                        limits_.page_bytes_max, reply, std::move(seat));
  shared->ask(cells_of(shared->plan()));
  if (shared->parts() == 0)
    return shared->reply();
  for (std::size_t part = 0, parts = shared->parts(); part < parts; ++part)
    run_query(shared, part);
}

void ingress::types(const reply_function& reply) {
  struct gathering {
    std::mutex mutex;
    std::map<std::string, std::uint64_t> twins;
    std::map<std::string, bool> behaves;
  };
  auto shared = std::make_shared<gathering>();
  gather(
      [shared](cell& c, std::size_t) {
        std::lock_guard guard{shared->mutex};
        for (auto type : c.types()) {
          std::string name{c.type_name(type)};
          shared->twins[name] += c.rows_of(type).size();
          shared->behaves[name] = c.has_behavior(type);
        }
      },
      reply,
      [this, shared, reply] {
        auto& twins = shared->twins;
        if (limits_.models != nullptr)
          for (const auto& [name, model] : limits_.models->all())
            twins.try_emplace(name, 0);
        std::vector<type_record> made;
        for (const auto& [name, count] : twins) {
          auto& one = made.emplace_back();
          one.name = name;
          one.twins = count;
          one.has_behavior = shared->behaves[name];
          const auto* model = limits_.models != nullptr ? limits_.models->find(name) : nullptr;
          if (model == nullptr)
            continue;
          one.extends = model->extends;
          one.capabilities = model->capabilities;
          for (const auto& p : model->properties)
            one.properties.push_back(
                {p.key, p.kind == property_kind::any ? "" : std::string{to_string(p.kind)}, p.unit,
                 p.indexed, p.unique});
        }
        reply(make_types_reply(made));
      });
}

} // namespace gemel
