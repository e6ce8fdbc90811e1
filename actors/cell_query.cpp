#include "actors/cell_query.hpp"

#include <algorithm>

namespace gemel {

namespace {

// An index gives a part of a type's rows at most, else its list is read in its own order, which the
// memory likes better; and never so many that the cell is held for long.
constexpr std::size_t index_share = 4;
constexpr std::size_t index_rows_min = 64;
constexpr std::size_t index_rows_max = 32'768;

// How far ahead rows and slots are asked for, as for updates.
constexpr std::size_t row_ahead = 24;
constexpr std::size_t slots_ahead = 12;

std::size_t index_bound(std::size_t rows) {
  return std::clamp(rows / index_share, index_rows_min, index_rows_max);
}

// Whether the path of a parent has the twin `id`: `/a/b` has a and b.
bool path_has(std::string_view path, std::string_view id) {
  for (std::size_t at = 0; (at = path.find(id, at)) != std::string_view::npos; ++at) {
    auto end = at + id.size();
    if (at > 0 && path[at - 1] == '/' && (end == path.size() || path[end] == '/'))
      return true;
  }
  return false;
}

std::size_t slice_of(const cell& c) {
  return c.has_passive() ? cell_query::stored_slice_rows : cell_query::slice_rows;
}

} // namespace

cell_query::cell_query(const cell_query_plan& plan) : plan_{plan}, best_{plan.rows} {
  if (plan_.groups)
    groups_.emplace(*plan_.groups);
  for (const auto& each : plan_.access.comparisons)
    conditions_.push_back({&each});
}

void cell_query::begin(cell& c) {
  begun_ = true;
  if (plan_.rows.where() && !plan_.access.comparisons_only)
    where_.emplace(*plan_.rows.where(), c.keys());
  if (plan_.rows.order_by())
    order_.emplace(*plan_.rows.order_by(), c.keys());
  if (plan_.groups)
    for (const auto& each : plan_.groups->columns())
      columns_.emplace_back(each, c.keys());
  needs_values_ = !conditions_.empty() || where_ || order_ || groups_;
  const auto& spec = plan_.rows.spec();
  const auto& parent = plan_.access.parent ? *plan_.access.parent : spec.parent;
  if (plan_.access.id) {
    if (auto row = c.row_of(*plan_.access.id))
      found_.push_back(*row);
    look_at(c, found_);
    return done_with("twin " + *plan_.access.id + " by its id");
  }
  if (!parent.empty()) {
    c.children_of(parent, found_);
    look_at(c, found_);
    return done_with("children of " + parent);
  }
  types_ = c.types();
  std::erase_if(types_, [&](type_id type) { return !wants_type(c, c.type_name(type)); });
}

bool cell_query::wants_type(cell& c, std::string_view name) const {
  const auto& asked = plan_.rows.spec().type;
  const auto& access = plan_.access;
  const auto& models = c.models();
  auto has_model = [&](const std::string& model) { return models.is_a(name, model); };
  auto has_capability = [&](const std::string& what) { return models.has_capability(name, what); };
  return (asked.empty() || asked == name) && (!access.type || *access.type == name)
         && std::all_of(access.models.begin(), access.models.end(), has_model)
         && std::all_of(access.capabilities.begin(), access.capabilities.end(), has_capability);
}

bool cell_query::run(cell& c) {
  below_.clear();
  if (!begun_)
    begin(c);
  for (std::size_t looked_at = 0; !types_.empty() && !failure_ && looked_at < slice_of(c);)
    looked_at += run_type(c);
  return types_.empty() || failure_;
}

/// A slice of the type under work. @returns rows looked at, at least one.
std::size_t cell_query::run_type(cell& c) {
  auto type = types_.back();
  auto& rows = c.rows_of(type);
  auto name = std::string{c.type_name(type)};
  if (scan_ == nullptr) {
    found_.clear();
    const auto* kept = c.kept_of(type);
    if (kept != nullptr
        && (look_up(c, *kept, rows.size()) || walk_in_order(c, *kept, rows.size()))) {
      types_.pop_back();
      return std::max<std::size_t>(found_.size(), 1);
    }
    scan_ = rows.open();
  }
  auto slice = rows.next(*scan_, slice_of(c));
  if (!slice.empty()) {
    look_at(c, slice);
    return slice.size();
  }
  scan_.reset();
  types_.pop_back();
  done_with(name + ": scan of the list of its twins");
  return 1;
}

/// Uses the index with the fewest rows, if there is one with few.
bool cell_query::look_up(cell& c, const model_rows::kept_type& kept, std::size_t rows) {
  auto bound = index_bound(rows);
  const property_restriction* best = nullptr;
  std::vector<std::uint32_t> candidates;
  for (const auto& each : plan_.access.restrictions) {
    const auto* index = kept.find(each.property);
    if (index == nullptr)
      continue;
    candidates.clear();
    for (const auto& range : each.ranges)
      if (candidates.size() <= bound)
        index->find(range, bound + 1 - candidates.size(), candidates);
    if (candidates.size() > bound)
      continue;
    best = &each;
    bound = candidates.size();
    found_ = candidates;
  }
  if (best == nullptr)
    return false;
  look_at(c, found_);
  done_with(std::string{c.type_name(types_.back())} + ": index of " + best->property);
  return true;
}

/// Uses the index that is in the order asked for, if the page is full after few rows.
bool cell_query::walk_in_order(cell& c, const model_rows::kept_type& kept, std::size_t rows) {
  const auto* index = plan_.order_property ? kept.find(*plan_.order_property) : nullptr;
  if (index == nullptr || groups_ || plan_.rows.spec().count_only)
    return false;
  auto bound = index_bound(rows);
  auto wanted = plan_.rows.limit() + 1; // One more says whether there is a further page.
  std::vector<property_index::entry> entries;
  std::vector<std::uint32_t> matching;
  std::optional<property_index::start> from;
  if (const auto& start = plan_.rows.start())
    from = property_index::start{start->key, false};
  compact_id::text_buffer buffer;
  std::uint64_t looked_at = 0;
  for (bool at_end = false; !at_end && matching.size() < wanted;) {
    entries.clear();
    auto chunk = wanted - matching.size();
    if (index->walk(from ? &*from : nullptr, plan_.rows.spec().descending, chunk, bound - looked_at,
                    entries))
      return false;
    looked_at += entries.size();
    at_end = entries.size() < chunk;
    for (const auto& each : entries) {
      const auto& row = c.row(each.row);
      const cell::glimpse seen{c, each.row};
      if (!seen.found()) {
        failure_ = seen.found().error();
        return true;
      }
      if (matches(c, row) && plan_.rows.behind_token(each.key, row.id.text(buffer)))
        matching.push_back(each.row);
    }
    if (!at_end)
      from = property_index::start{entries.back().key, true};
    if (!at_end && looked_at >= bound)
      return false;
  }
  for (auto row : matching) {
    const cell::glimpse seen{c, row};
    seen.expect();
    take(c, row);
  }
  found_ = std::move(matching);
  now_.looked_at += looked_at;
  c.counters().rows_scanned += looked_at;
  done_with(std::string{c.type_name(types_.back())} + ": index of " + *plan_.order_property
            + ", which is the order asked for");
  return true;
}

void cell_query::done_with(std::string what) {
  auto& sum = efforts_[std::move(what)];
  sum.looked_at += now_.looked_at;
  sum.matched += now_.matched;
  sum.cells = 1;
  now_ = {};
}

/// Asks for the memory of the rows after `i`: first the row, then the slot that decides.
void cell_query::fetch_ahead(const cell& c, std::span<const std::uint32_t> rows,
                             std::size_t i) const {
  if (i + row_ahead < rows.size())
    __builtin_prefetch(&c.row(rows[i + row_ahead]).layout);
  if (i + slots_ahead < rows.size() && !conditions_.empty()) {
    const auto& row = c.row(rows[i + slots_ahead]);
    auto slot = conditions_.front().slot;
    if (row.layout == found_for_ && slot != shape::no_slot)
      __builtin_prefetch(&row.slots[slot]);
  }
}

void cell_query::look(cell& c, std::uint32_t index) {
  if (matches(c, c.row(index)))
    take(c, index);
}

void cell_query::look_at(cell& c, std::span<const std::uint32_t> rows) {
  for (std::size_t i = 0; i < rows.size() && !failure_; ++i) {
    fetch_ahead(c, rows, i);
    if (c.row(rows[i]).has(twin_row::passive) && needs_values_) [[unlikely]] {
      const cell::glimpse seen{c, rows[i]};
      if (!seen.found()) {
        failure_ = seen.found().error();
        return;
      }
      look(c, rows[i]);
      continue;
    }
    look(c, rows[i]);
  }
  now_.looked_at += rows.size();
  c.counters().rows_scanned += rows.size();
}

void cell_query::find_slots(cell& c, const shape* layout) {
  for (auto& each : conditions_) {
    if (!each.interned)
      if (auto number = c.keys().find(each.what->property())) {
        each.key = key_id{*number};
        each.interned = true;
      }
    each.slot = each.interned ? layout->find(each.key) : shape::no_slot;
  }
  found_for_ = layout;
}

bool cell_query::matches(cell& c, const twin_row& row) {
  if (row.layout != found_for_) [[unlikely]]
    find_slots(c, row.layout);
  for (const auto& each : conditions_)
    if (!each.what->holds(each.slot != shape::no_slot ? &row.slots[each.slot].content : nullptr))
      return false;
  const auto& spec = plan_.rows.spec();
  if (plan_.roots_only && row.group != twin_row::none)
    return false;
  if (!spec.ancestor.empty() && !below_ancestor(c, row.group))
    return false;
  // Lists of types are chosen already; what was found in another way may be of any type.
  if (plan_.access.id && !spec.parent.empty() && c.about(row).parent != spec.parent)
    return false;
  if (types_.empty() && !wants_type(c, c.type_name(row.layout->type())))
    return false;
  return !where_ || plan_.rows.where()->test(where_->bind(row, c.about(row)));
}

bool cell_query::below_ancestor(const cell& c, std::uint32_t group) {
  if (group == twin_row::none)
    return false;
  auto [i, fresh] = below_.try_emplace(group, false);
  if (fresh)
    i->second = path_has(c.path_above(group), plan_.rows.spec().ancestor);
  return i->second;
}

void cell_query::take(cell& c, std::uint32_t index) {
  ++now_.matched;
  const auto& row = c.row(index);
  if (groups_) {
    column_values_.clear();
    for (std::size_t i = 0; i < columns_.size(); ++i)
      column_values_.push_back(
          plan_.groups->columns()[i].evaluate(columns_[i].bind(row, c.about(row))));
    if (auto taken = groups_->add(column_values_); !taken)
      failure_ = std::move(taken.error());
    return;
  }
  if (plan_.rows.spec().count_only)
    return best_.add({}, nullptr, index);
  compact_id::text_buffer buffer;
  value key;
  if (order_)
    key = plan_.rows.order_by()->evaluate(order_->bind(row, c.about(row)));
  best_.add(row.id.text(buffer), order_ ? &key : nullptr, index);
}

} // namespace gemel
