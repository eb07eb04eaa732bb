#include "job_test.hpp"

#include "pgeist/build/index_builder.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {

void job_test::SetUp() {
    database_test::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
        return;
    }
    pg::connect_options options;
    options.set("dbname", db().uri());
    pool_ = std::make_unique<pg::pool>(options, "pgeist test");
    session_ = await(pool_->open_own("pgeist test"));
    hold_ = std::make_unique<job::advisory_locks>(await(pool_->open_own("pgeist test hold")));
}

void job_test::TearDown() {
    work_.reset();
    session_.reset();
    hold_.reset();
    pool_.reset();
    database_test::TearDown();
}

bool job_test::ends_within(std::chrono::seconds limit, awaitable<void> task) {
    struct ending {
        bool reached = false;
        std::exception_ptr failure;
    };
    const auto end = std::make_shared<ending>();  // a task that is left behind outlives this call
    asio::co_spawn(io_, std::move(task), [end](std::exception_ptr error) {
        end->reached = true;
        end->failure = error;
    });
    io_.restart();
    io_.run_for(limit);
    if (end->failure) {
        std::rethrow_exception(end->failure);
    }
    return end->reached;
}

void job_test::prepare(const std::string& table, const std::vector<std::string>& alters, run::settings chosen,
                       plan::copy_order order) {
    plan::change_request change;
    change.table = parse_qualified_name(table);
    change.alters = alters;
    change.repack = alters.empty();
    change.order = order;
    prepare(change, chosen);
}

void job_test::prepare(const plan::change_request& change, const run::settings& chosen) {
    await(session_->begin());
    const rewrite::preparation made = await(rewrite::prepare(*session_, hold_.get(), change, chosen));
    rewrite::throw_if_refused(made.findings);
    await(session_->commit());
    record_ = await(job::load(*session_, made.job));
    plan_ = plan::blueprint_from_json(*record_.plan);
    transfer_ = plan_.transfer();
    work_ = std::make_unique<pgeist::build::workspace>(pgeist::build::workspace{
        {*pool_, record_.id, transfer_, record_.settings, observer_, progress_, road_, record_.incarnation, 0, nullptr},
        plan_});
}

void job_test::capture() {
    await(session_->begin());
    await(session_->execute(pgeist::capture::triggers_sql(transfer())));
    await(job::save_source_file(*session_, work_->tenure(), plan().source_oid));
    await(session_->commit());
}

std::int64_t job_test::copy(walk::key_range range) { return await(pgeist::copy::copy_chunk(*work_, *session_, range)); }

void job_test::replay() {
    pgeist::replay::replayer changes(*work_);
    await(changes.pass());
}

void job_test::build() {
    await(pgeist::build::build_key_index(*work_));
    pgeist::replay::replayer changes(*work_);
    await(changes.reach_consistent_point());
    await(pgeist::build::build_indexes(*work_));
}

void job_test::expect_equal(const std::string& columns) {
    const auto differing = differing_rows(sql(), plan().table.sql(), plan().shadow().sql(), columns);
    EXPECT_TRUE(differing.empty()) << join(differing, "\n");
}

}  // namespace pgeist::test
