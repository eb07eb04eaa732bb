#include "pgeist/transfer/verify/verifier.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "key_text.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/shared/in_snapshot.hpp"
#include "pgeist/transfer/verify/file_walk.hpp"
#include "pgeist/transfer/verify/verify_sql.hpp"
#include "pgeist/walk/boundary_finder.hpp"

namespace pgeist::verify {

namespace {

constexpr int settle_rounds = 20;
constexpr auto settle_pause = std::chrono::milliseconds(100);

/// `; columns: folded (generated: what is stored is not what its expression gives today)`
std::string describe_columns(const transfer::spec& transfer, const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        const auto column = std::find_if(transfer.columns.begin(), transfer.columns.end(),
                                         [&](const transfer::column& each) { return each.name == name; });
        const bool is_generated = column != transfer.columns.end() && column->read_name && !column->expression;
        text += (text.empty() ? "; columns: " : ", ") + display_identifier(name) +
                (is_generated ? " (generated: what is stored is not what its expression gives today)" : "");
    }
    return text;
}

}  // namespace

/// The comparison as a walk along the key, of which a part of the ranges is looked at.
class verifier::comparison : public range_walk {
public:
    comparison(verifier& of, pg::connection& session, const walk::finished_ranges& finished)
        : of_(&of),
          finder_(session, of.work_->transfer.read.name, of.work_->transfer.key, walk::gaps(finished)),
          random_(std::random_device{}()) {}

    [[nodiscard]] awaitable<std::optional<walk::key_range>> next(std::int64_t rows) override {
        std::uniform_real_distribution<double> percent(0, 100);
        auto range = co_await finder_.next(rows);
        while (range && !first_ && percent(random_) >= of_->percent_) {
            range = co_await finder_.next(rows);
        }
        first_ = false;
        co_return range;
    }

    [[nodiscard]] awaitable<std::int64_t> look_at(pg::connection& session, walk::key_range range) override {
        const chunk_result compared = co_await of_->compare_chunk(session, std::move(range));
        co_await of_->note(session, compared);
        co_return compared.rows;
    }

private:
    verifier* of_;
    walk::boundary_finder finder_;
    std::mt19937 random_;
    bool first_ = true;
};

verifier::verifier(transfer::workspace& work, double percent) : work_(&work), percent_(percent) {}

awaitable<void> verifier::look_up_all() {
    file_walk walk(*work_);
    co_await walk.run();
    found_.differences += walk.missing();
}

awaitable<chunk_result> verifier::compare_chunk(pg::connection& session, walk::key_range range) {
    const auto compare = [&] { return compare_in_snapshot(session, range); };
    chunk_result out = co_await transfer::in_snapshot(session, *work_, compare);
    co_return out;
}

/// In the transaction that is open, with its checkpoint.
awaitable<chunk_result> verifier::compare_in_snapshot(pg::connection& session, const walk::key_range& range) {
    const statements sql(work_->transfer);
    walk::bound_sql compare = sql.compare(range);
    const pg::result row =
        co_await session.query_params(std::move(compare.sql), std::move(compare.values), deadline::never());
    chunk_result out;
    job::chunk_counts counts;
    counts.rows = out.rows = row.integer(0, "read_rows");
    counts.write_rows = row.integer(0, "write_rows");
    counts.checksum = row.text(0, "checksum");
    counts.write_checksum = row.text(0, "write_checksum");
    out.differing = row.integer(0, "differing");
    if (out.differing > 0) {
        walk::bound_sql list = sql.list_differences(range);
        const pg::result keys =
            co_await session.query_params(std::move(list.sql), std::move(list.values), deadline::never());
        out.unexplained = keys_of(keys);
    }
    co_await job::save_chunk(session, work_->job, "verify", range, counts);
    co_return out;
}

awaitable<void> verifier::note(pg::connection& session, const chunk_result& compared) {
    if (!compared.unexplained.empty()) {
        const std::int64_t truncated = co_await capture::truncations(session, work_->transfer);
        if (truncated > 0) {
            throw transfer::source_truncated();  // TRUNCATE is not MVCC-safe: the snapshot saw an empty source
        }
        work_->observer.message(report::level::warning,
                                fmt::format("verification found {} rows that differ, first key {}; copying them again",
                                            compared.unexplained.size(), compared.unexplained.front()));
    }
    ++found_.chunks;
    found_.rows += compared.rows;
    found_.differences += static_cast<std::int64_t>(compared.unexplained.size());
}

awaitable<void> verifier::compare_all() {
    job::finished_chunks finished;
    {
        const auto session = co_await work_->pool.acquire();
        finished = co_await job::load_chunks(*session, work_->job, "verify", work_->transfer.key);
    }
    found_.chunks += static_cast<std::int64_t>(finished.ranges.size());
    found_.rows += finished.rows;
    work_->progress.rows_done += finished.rows;
    const auto session = co_await work_->pool.acquire();
    co_await walk::prepare_for_bounds(*session);
    comparison all(*this, *session, finished.ranges);
    co_await run_with_workers(*work_, all);
}

/// In the transaction that is open.
awaitable<verifier::recheck_result> verifier::recheck_in_snapshot(pg::connection& session) {
    const statements sql(work_->transfer);
    const pg::result row = co_await session.query(sql.recheck());
    recheck_result out;
    out.failed = row.array(0, "failed");
    out.columns = row.array(0, "differing_columns");
    found_.differences += row.integer(0, "repaired");
    found_.repaired = found_.differences - row.integer(0, "open");
    out.unsettled = row.integer(0, "pending") + row.integer(0, "repaired");
    co_return out;
}

awaitable<bool> verifier::settle_once() {
    const auto session = co_await work_->pool.acquire();
    co_await prepare_to_look(*session, work_->settings);
    const auto recheck = [&] { return recheck_in_snapshot(*session); };
    const recheck_result looked = co_await transfer::in_snapshot(*session, *work_, recheck);
    const std::int64_t truncated = co_await capture::truncations(*session, work_->transfer);
    if (truncated > 0) {
        throw transfer::source_truncated();
    }
    if (!looked.failed.empty()) {
        throw error(
            exit_code::verification_failed,
            fmt::format("{} rows still differ after they were copied again{}; keys: {}", looked.failed.size(),
                        describe_columns(work_->transfer, looked.columns), join(looked.failed, "; ")),
            fmt::format("nothing was swapped, the source table is untouched; look at these rows in both tables; "
                        "then {}",
                        transfer::what_next(work_->transfer)));
    }
    co_return looked.unsettled == 0;
}

awaitable<void> verifier::settle(replay::replayer& changes) {
    for (int round = 0; round < settle_rounds; ++round) {
        co_await changes.pass();
        const bool settled = co_await settle_once();
        if (settled) {
            break;
        }
        co_await pg::sleep_for(settle_pause);
    }
    if (found_.repaired < found_.differences) {
        work_->observer.message(
            report::level::warning,
            fmt::format("{} rows that differed are written so often that they could not be compared again since",
                        found_.differences - found_.repaired));
    }
}

}  // namespace pgeist::verify
