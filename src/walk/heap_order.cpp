#include "pgeist/walk/heap_order.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace pgeist::walk {

namespace {

constexpr double guessed_rows_per_block = 50;
constexpr double weight_of_statistics = 1000;  // blocks
constexpr std::int64_t most_blocks = 1 << 12;  // 32 MB: where nearly all rows are dead, reading takes the time
constexpr double remembered_blocks = 4 * most_blocks;

key make_key_of_places() {
    key_column place;
    place.read_name = "ctid";
    place.type = "pg_catalog.tid";
    place.less = "OPERATOR(pg_catalog.<)";
    place.less_equal = "OPERATOR(pg_catalog.<=)";
    place.equal = "OPERATOR(pg_catalog.=)";
    place.greater_equal = "OPERATOR(pg_catalog.>=)";
    place.greater = "OPERATOR(pg_catalog.>)";
    key key;
    key.columns.push_back(std::move(place));
    return key;
}

/// No row has a higher number in its block.
std::vector<std::string> end_of(std::int64_t block) { return {fmt::format("({},65535)", block)}; }

std::int64_t block_of(const std::vector<std::string>& place) {
    const std::string& text = place.at(0);
    std::int64_t block = 0;
    std::from_chars(text.data() + 1, text.data() + text.size(), block);
    return block;
}

}  // namespace

const key& key_of_places() {
    static const key places = make_key_of_places();
    return places;
}

std::int64_t first_block(const key_range& range) { return range.lower ? block_of(*range.lower) + 1 : 0; }

std::optional<std::int64_t> last_block(const key_range& range) {
    return range.upper ? std::optional(block_of(*range.upper)) : std::nullopt;
}

void row_density::estimated(std::int64_t rows, std::int64_t blocks) noexcept {
    const bool known = rows > 0 && blocks > 0;
    blocks_ += weight_of_statistics;
    rows_ += weight_of_statistics *
             (known ? static_cast<double>(rows) / static_cast<double>(blocks) : guessed_rows_per_block);
}

void row_density::measured(const key_range& range, std::int64_t rows) noexcept {
    if (const auto last = last_block(range)) {
        blocks_ += static_cast<double>(*last - first_block(range) + 1);
        rows_ += static_cast<double>(rows);
        const double share = std::min(1.0, remembered_blocks / blocks_);  // other parts of the table lie differently
        blocks_ *= share;
        rows_ *= share;
    }
}

std::int64_t row_density::blocks_for(std::int64_t rows) const noexcept {
    const auto wanted = static_cast<double>(rows);
    const double blocks = rows_ > 0 ? wanted * blocks_ / rows_ : wanted;  // beyond all integers in an empty stretch
    return static_cast<std::int64_t>(std::clamp(blocks, 1.0, static_cast<double>(most_blocks)));
}

block_cutter::block_cutter(pg::connection& session, const qualified_name& table, std::int64_t oid, row_density& density,
                           std::vector<key_range> within)
    : session_(&session), table_(&table), oid_(oid), density_(&density), within_(std::move(within)) {
    std::reverse(within_.begin(), within_.end());
}

awaitable<void> block_cutter::look_at_size() {
    const pg::result row = co_await session_->query(
        "SELECT pg_relation_size(oid) / current_setting('block_size')::bigint AS blocks, "
        "greatest(reltuples::bigint, 0) AS rows, relpages::bigint AS pages FROM pg_class WHERE oid = $1::bigint::oid",
        oid_);
    if (row.empty()) {
        throw error(exit_code::failed, fmt::format("{} does not exist any more", table_->display()));
    }
    density_->estimated(row.integer(0, "rows"), row.integer(0, "pages"));
    blocks_ = row.integer(0, "blocks");
}

awaitable<std::optional<key_range>> block_cutter::next(std::int64_t rows) {
    std::optional<key_range> cut;
    if (within_.empty()) {
        co_return cut;
    }
    if (blocks_ < 0) {
        co_await look_at_size();
    }
    cut = within_.back();
    const std::int64_t upper = first_block(*cut) + density_->blocks_for(rows) - 1;
    const std::int64_t last = last_block(*cut).value_or(blocks_ - 1);
    if (first_block(*cut) > last) {
        cut.reset();  // nothing but what was appended since an earlier run
    } else {
        cut->upper = end_of(std::min(upper, last));
    }
    if (cut && upper < last) {
        within_.back().lower = cut->upper;
    } else {
        within_.pop_back();
    }
    co_return cut;
}

}  // namespace pgeist::walk
