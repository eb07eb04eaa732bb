#include "same_file.hpp"

#include "pgeist/job/source_file.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::copy {

awaitable<void> require_same_file(transfer::workspace& work, pg::connection& session) {
    const job::source_rows rows = co_await job::source_rows_since(session, work.job, work.transfer.read.oid);
    if (rows == job::source_rows::in_place) {
        co_return;
    }
    const std::int64_t truncated = co_await capture::truncations(session, work.transfer);
    if (truncated > 0) {  // which gives the table a new file, too
        throw transfer::source_truncated();
    }
    throw transfer::source_rewritten();
}

}  // namespace pgeist::copy
