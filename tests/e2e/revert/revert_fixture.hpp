#pragma once

#include <boost/json.hpp>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {

/// A test that changes public.t revertibly and swaps it back.
class revert_test : public run_test {
protected:
    /// `pgeist run --revertible --alter …`, to the end.
    run_result run_revertible(const std::string& alter, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--revertible", "--alter", alter});
        return run(std::move(more));
    }

    /// The same with a timed window, without waiting for the end; returns when the window is open.
    pgeist_process start_window(const std::string& alter, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--revertible", "--revert-window", "1h", "--alter", alter});
        pgeist_process process = start(std::move(more));
        process.wait_for_phase("window");
        return process;
    }

    run_result revert(std::vector<std::string> more = {}) {
        more.insert(more.begin(), "1");
        return command("revert", std::move(more));
    }

    boost::json::object status() { return only_job(db().uri()); }

    /// A string of the status; empty for null.
    std::string told(const std::string& field) {
        const boost::json::object job = status();
        const boost::json::value& value = job.at(field);
        return value.is_null()     ? ""
               : value.is_string() ? std::string(value.as_string())
                                   : boost::json::serialize(value);
    }

    void wait_until_told(const std::string& field, const std::string& wanted) {
        wait_for(field + " = " + wanted, [&] { return told(field) == wanted; });
    }

    /// Every row with its place and the transaction that made it.
    std::string rows_and_places(const std::string& table = "public.t") {
        return sql().scalar(
            "SELECT coalesce(string_agg(concat(ctid, ' ', xmin, ' ', t), E'\\n' ORDER BY ctid), '') FROM " + table +
            " AS t");
    }

    std::string rows_as_text(const std::string& table = "public.t") {
        return sql().scalar("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM " + table + " AS t");
    }
};

}  // namespace pgeist::test
