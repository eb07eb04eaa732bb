#include "pgeist/transfer/verify/file_walk.hpp"

#include <fmt/format.h>

#include "key_text.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/shared/in_snapshot.hpp"
#include "pgeist/transfer/shared/own_tables.hpp"
#include "used_indexes.hpp"

namespace pgeist::verify {

namespace {

constexpr const char* internal_error = "XX000";
constexpr const char* cardinality_violation = "21000";
/// A range with fewer rows is looked up row by row.
constexpr std::int64_t worth_while = 1'000;
/// So small a part of a range's keys may lie far from the others, at each end.
constexpr std::int64_t share_of_strays = 64;
/// So many keys may be between those of a range for one of them, without reading them all costing more than it spares.
constexpr std::int64_t few_others = 4;
/// After so many ranges in a row whose keys are scattered no others are looked for.
constexpr int scattered_enough = 8;

/// Nothing of the user's is converted in the walk.
constexpr const char* readable_bounds =
    "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = postgres; SET LOCAL extra_float_digits = 3; "
    "SET LOCAL bytea_output = hex";

std::string checkpoints_of(const transfer::spec& transfer) {
    return quote_identifier(transfer.schema) + ".pgeist_file_walk";
}

std::string checkpoints_sql(const transfer::spec& transfer, const std::string& owner) {
    return fill_template(templates::file_walk, {{"job", quote_identifier(transfer.schema)}, {"owner", owner}});
}

awaitable<std::int64_t> file_of(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row =
        co_await session.query("SELECT coalesce(pg_relation_filenode($1::bigint::oid), 0)::bigint", transfer.read.oid);
    co_return row.integer(0, 0);
}

walk::bound place(const pg::result& rows, int row, const char* column) {
    const auto text = rows.optional_text(row, rows.column(column));
    return text ? walk::bound(std::vector<std::string>{*text}) : walk::bound();
}

/// `used`: the indexes by which the server has looked for the rows; where that is not known, the key's.
error damaged_index(const transfer::spec& transfer, const std::vector<std::string>& used, const std::string& what) {
    std::vector<std::string> names;
    std::vector<std::string> mend;
    for (const std::string& name : used.empty() ? std::vector{transfer.key.index} : used) {
        const qualified_name index{transfer.read.name.schema, name};
        names.push_back(index.display());
        mend.push_back("REINDEX INDEX CONCURRENTLY " + index.sql());
    }
    const bool one = names.size() == 1;
    return error(exit_code::verification_failed,
                 fmt::format("{} {} is damaged, or not in the order of its collation: {}",
                             one ? "the index" : "one of the indexes", join(names, ", "), what),
                 fmt::format("nothing was swapped, the source table is untouched; look at {} with amcheck's "
                             "bt_index_check, mend it with: {}; then {}",
                             one ? "the index" : "them", join(mend, "; "), transfer::what_next(transfer)));
}

/// Replay finds rows by equality of the whole key, by the key's index. By a range of keys the server may find them by
/// any index that begins with the same column, which proves nothing of the key's.
awaitable<bool> is_only_index(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row = co_await session.query(
        "SELECT count(*) = 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
        "WHERE i.indrelid = $1::bigint::oid AND i.indisvalid AND a.attname = $2",
        transfer.read.oid, transfer.key.columns.front().read_name);
    co_return row.boolean(0, 0);
}

}  // namespace

awaitable<void> file_walk::forget(transfer::workspace& work) {
    const auto session = co_await work.pool.acquire();
    const std::string drop = "DROP TABLE IF EXISTS " + checkpoints_of(work.transfer);
    const auto dropping = [&]() -> awaitable<void> { co_await session->execute(drop); };
    co_await transfer::in_tenure_alone(work, *session, dropping);
}

/// Makes the table of checkpoints, if need be, and reads it.
awaitable<walk::finished_ranges> file_walk::begin(pg::connection& session) {
    const std::string owner = co_await capture::owner_of_job(session, work_->transfer);
    const std::string create = checkpoints_sql(work_->transfer, owner);
    const auto make = [&]() -> awaitable<void> { co_await session.execute(create); };
    co_await job::in_tenure(session, work_->tenure(), pg::isolation::read_committed, make);
    const pg::result method = co_await session.query(
        "SELECT m.amhandler = 'pg_catalog.heap_tableam_handler'::regproc FROM pg_class c JOIN pg_am m ON m.oid = "
        "c.relam WHERE c.oid = $1::bigint::oid",
        work_->transfer.read.oid);
    in_blocks_ = !method.empty() && method.boolean(0, 0);
    file_ = co_await file_of(session, work_->transfer);
    only_index_ = co_await is_only_index(session, work_->transfer);
    const pg::result rows = co_await session.query(
        fmt::format("SELECT lower, upper, rows FROM {} WHERE file = $1 ORDER BY upper NULLS LAST",
                    checkpoints_of(work_->transfer)),
        file_);
    walk::finished_ranges finished;
    for (int row = 0; row < rows.rows(); ++row) {
        walk::key_range range;
        range.lower = place(rows, row, "lower");
        range.upper = place(rows, row, "upper");
        finished.push_back(std::move(range));
        work_->progress.rows_done += rows.integer(row, "rows");
    }
    co_return finished;
}

awaitable<void> file_walk::run() {
    work_->progress.detail = "looking up every row of the table's file";
    const auto session = co_await work_->pool.acquire();
    walk::finished_ranges finished = co_await begin(*session);
    if (in_blocks_) {
        cutter_.emplace(*session, work_->transfer.read.name, work_->transfer.read.oid, density_, walk::gaps(finished));
    } else if (finished.empty()) {
        whole_.emplace();
    }
    co_await run_with_workers(*work_, *this);
    const bool same = co_await is_same_file(*session);
    if (!same) {
        co_await throw_other_file(*session);  // blocks may be missing that are behind the end of the other one
    }
    work_->progress.detail.clear();
}

awaitable<std::optional<walk::key_range>> file_walk::next(std::int64_t rows) {
    std::optional<walk::key_range> range;
    if (cutter_) {
        range = co_await cutter_->next(rows);
    } else {
        range = std::exchange(whole_, std::nullopt);
    }
    co_return range;
}

awaitable<std::int64_t> file_walk::look_at(pg::connection& session, walk::key_range range) {
    const auto look = [&] { return look_in_snapshot(session, range); };
    const found now = co_await transfer::in_snapshot(session, *work_, look);
    if (!now.same_file) {
        co_await throw_other_file(session);
    }
    if (!now.missing.empty()) {
        missing_ += static_cast<std::int64_t>(now.missing.size());
        work_->observer.message(
            report::level::warning,
            fmt::format("{} rows of the source are missing in the new table, first key {}; copying them again",
                        format_count(static_cast<std::int64_t>(now.missing.size())), now.missing.front()));
    }
    density_.measured(range, now.rows);
    co_return now.rows;
}

awaitable<file_walk::counts> file_walk::ask(pg::connection& session, walk::bound_sql look) {
    const pg::result row =
        co_await session.query_params(std::move(look.sql), std::move(look.values), deadline::never());
    counts out;
    out.rows = row.integer(0, "rows");
    out.not_led_to = row.integer(0, "not_led_to");
    out.not_written = row.integer(0, "not_written");
    co_return out;
}

/// The keys of a range but for some strays, if the tables have few other keys in between.
awaitable<std::optional<file_walk_statements::key_window>> file_walk::find_dense_part(pg::connection& session,
                                                                                      const walk::key_range& range) {
    const file_walk_statements sql(work_->transfer);
    std::optional<file_walk_statements::key_window> dense;
    walk::bound_sql count = sql.count(range);
    const pg::result counted =
        co_await session.query_params(std::move(count.sql), std::move(count.values), deadline::never());
    const std::int64_t rows = counted.integer(0, 0);
    if (rows < worth_while) {
        co_return dense;
    }
    co_await session.execute(readable_bounds);
    walk::bound_sql find = sql.find_window(range, rows / share_of_strays);
    const pg::result edges =
        co_await session.query_params(std::move(find.sql), std::move(find.values), deadline::never());
    dense.emplace();
    for (int column = 0; column < edges.columns(); ++column) {
        dense->first.push_back(edges.text(0, column));
        dense->last.push_back(edges.text(1, column));
    }
    const std::int64_t most = rows * few_others;
    walk::bound_sql between = sql.count_written(*dense, most);
    const pg::result others =
        co_await session.query_params(std::move(between.sql), std::move(between.values), deadline::never());
    if (others.integer(0, 0) >= most) {
        dense.reset();
    }
    co_return dense;
}

awaitable<file_walk::counts> file_walk::look_up(pg::connection& session, const walk::key_range& range) {
    const file_walk_statements sql(work_->transfer);
    std::optional<file_walk_statements::key_window> dense;
    if (only_index_ && scattered_ < scattered_enough) {
        dense = co_await find_dense_part(session, range);
        scattered_ = dense ? 0 : scattered_ + 1;
    }
    counts out;
    if (dense) {
        co_await session.execute("SET LOCAL enable_nestloop = off; SET LOCAL enable_hashjoin = off");
        out = co_await ask(session, sql.look_in_order(range, *dense));
        co_await session.execute("SET LOCAL enable_nestloop = on; SET LOCAL enable_hashjoin = on");
    }
    const counts others = co_await ask(session, sql.look(range, dense));
    out.rows += others.rows;
    out.not_led_to += others.not_led_to;
    out.not_written += others.not_written;
    co_return out;
}

awaitable<file_walk::found> file_walk::look_in_snapshot(pg::connection& session, const walk::key_range& range) {
    const file_walk_statements sql(work_->transfer);
    found out;
    counts seen;
    bool is_ambiguous = false;
    bool is_out_of_order = false;
    try {
        seen = co_await look_up(session, range);
        out.rows = seen.rows;
    } catch (const pg::sql_error& failure) {
        is_ambiguous = failure.is(cardinality_violation);
        is_out_of_order = failure.is(internal_error) &&
                          std::string_view(failure.what()).find("out of order") != std::string_view::npos;
        if (!is_ambiguous && !is_out_of_order) {
            throw;
        }
        out.told = failure.what();
    }
    if (is_ambiguous) {
        co_await session.rollback();  // the statement's error has ended the transaction
        const std::vector<std::string> used = co_await indexes_used_in(session, sql.look(range, std::nullopt));
        throw damaged_index(work_->transfer, used, "there are several rows of one key");
    }
    if (is_out_of_order) {  // in the order of the only index that there is
        throw damaged_index(work_->transfer, {}, out.told);
    }
    out.same_file = co_await is_same_file(session);
    if (!out.same_file) {
        co_return out;  // whatever was seen: the places are those of another file
    }
    if (seen.not_led_to > 0) {
        co_await throw_damaged(session, range, seen.not_led_to);
    }
    if (seen.not_written > 0) {
        walk::bound_sql queue = sql.queue_missing(range);
        const pg::result keys =
            co_await session.query_params(std::move(queue.sql), std::move(queue.values), deadline::never());
        out.missing = keys_of(keys);
    }
    const std::string save = fmt::format("INSERT INTO {} (file, lower, upper, rows) VALUES ($1, $2::tid, $3::tid, $4)",
                                         checkpoints_of(work_->transfer));
    std::optional<std::string> lower;
    std::optional<std::string> upper;
    if (range.lower) {
        lower = range.lower->front();
    }
    if (range.upper) {
        upper = range.upper->front();
    }
    co_await session.query(save, file_, lower, upper, out.rows);
    co_return out;
}

awaitable<std::vector<std::string>> file_walk::indexes_used_in(pg::connection& session, walk::bound_sql sql) {
    std::vector<std::string> used =
        co_await used_indexes(session, std::move(sql.sql), std::move(sql.values), work_->transfer.read.name);
    co_return used;
}

awaitable<void> file_walk::throw_damaged(pg::connection& session, const walk::key_range& range, std::int64_t rows) {
    const file_walk_statements sql(work_->transfer);
    walk::bound_sql find = sql.find_not_led_to(range);
    // Any index that begins with the key's columns may be the one by which the server looks.
    std::vector<std::string> used = co_await indexes_used_in(session, find);
    const pg::result key =
        co_await session.query_params(std::move(find.sql), std::move(find.values), deadline::never());
    const std::vector<std::string> keys = keys_of(key);
    if (keys.empty()) {  // found in another way than before
        const std::vector<std::string> before = co_await indexes_used_in(session, sql.look(range, std::nullopt));
        used.insert(used.end(), before.begin(), before.end());
    }
    throw damaged_index(work_->transfer, used,
                        fmt::format("it does not lead to {} rows that the table's file has (so far), such as {}",
                                    format_count(rows), join(keys, "; ")));
}

/// The catalogs are read as they are now, whatever the transaction's snapshot; its lock on the read side keeps them so.
awaitable<bool> file_walk::is_same_file(pg::connection& session) {
    const std::int64_t now = co_await file_of(session, work_->transfer);
    co_return now == file_;
}

awaitable<void> file_walk::throw_other_file(pg::connection& session) {
    const std::int64_t truncated = co_await capture::truncations(session, work_->transfer);
    if (truncated > 0) {
        throw transfer::source_truncated();
    }
    throw transfer::source_rewritten();
}

}  // namespace pgeist::verify
