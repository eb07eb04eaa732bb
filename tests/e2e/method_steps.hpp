#pragma once

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {

/// public.t, changed step by step where it is.
class method_steps : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(500);
        }
    }

    /// So many rows that nothing which reads them takes less than a millisecond.
    void grow() {
        sql().execute(
            "INSERT INTO public.t SELECT i, 'note ' || i, i / 4.0, i * 10 FROM generate_series(501, 20000) AS i; "
            "ANALYZE public.t");
    }

    /// `pgeist run --method native` on public.t.
    std::vector<std::string> in_place(const std::string& alter,
                                      std::vector<std::string> more = {"--max-block", "1ms"}) {
        std::vector<std::string> arguments{"--output", "json", "--table", "t", "--method", "native", "--alter", alter};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }

    run_result change(const std::string& alter, std::vector<std::string> more = {"--max-block", "1ms"}) {
        return command("run", in_place(alter, std::move(more)));
    }

    /// What the application does meanwhile, on one row.
    static std::vector<std::string> beside() {
        return {"SELECT count(*) FROM public.t WHERE id = 3", "UPDATE public.t SET amount = 1 WHERE id = 3"};
    }

    /// A CHECK or USING function for which each row takes so many milliseconds.
    void make_slow_function(int milliseconds) {
        sql().execute(
            "CREATE FUNCTION public.slow(value int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
            "'BEGIN PERFORM pg_sleep(" +
            std::to_string(milliseconds / 1000.0) + "); RETURN value; END'");
    }

    boost::json::object status_of(const boost::json::object& job) {
        const run_result found = command("status", {"--output", "json", text_of(job, "job")});
        return parse_json_lines(found.out).at(0);
    }

    std::string state_of_step(std::size_t at) {
        const boost::json::object job = status_of(only_job(db().uri()));
        return text_of(job.at("steps").as_array().at(at).as_object(), "state");
    }

    long long constraints(const std::string& condition) {
        return sql().number(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND contype <> 'n' AND " +
            condition);
    }
};

}  // namespace pgeist::test
