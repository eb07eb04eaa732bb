#pragma once

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {

/// A test that runs migration files.
class file_test : public run_test {
protected:
    void SetUp() override;
    void TearDown() override;

    /// Writes a file and gives its path. Tests at once have directories of their own.
    std::string write(const std::string& text, const std::string& name = "m.sql");

    /// `pgeist run --file` of these statements, with more arguments.
    run_result run_file(const std::string& text, std::vector<std::string> more = {});

    /// The same with --output json, without waiting for the end.
    std::unique_ptr<pgeist_process> start_file(const std::string& text, std::vector<std::string> more = {});

    /// `plan --file --output json`; the plan's object.
    boost::json::object plan_of(const std::string& text, int expected = 0);

    /// The job that is no step of another. Throws std::runtime_error when there is none or more than one.
    boost::json::object file_job();
    /// The jobs that are steps of it, oldest first.
    std::vector<boost::json::object> copies();
    /// `status JOB`.
    boost::json::object status_of(const std::string& job);
    /// The states of the job's steps: `done done started pending`.
    std::string step_states();

    /// How often a statement of the file has done its work: rows of public.done with this number.
    long long times_done(int number);

private:
    std::string folder_;
};

}  // namespace pgeist::test
