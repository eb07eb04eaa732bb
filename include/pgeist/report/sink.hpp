#pragma once

#include <string>
#include <string_view>

namespace pgeist::report {

/// Whether text may be left out when the reader does not keep up.
enum class importance { droppable, needed };

/// Where output goes. Writing never throws and never waits: a stopped terminal or a slow pipe must not hold up a run
/// (whose triggers keep writing to the log meanwhile).
class sink {
public:
    virtual ~sink() = default;
    virtual void write(std::string_view text, importance weight) = 0;

    void write(std::string_view text) { write(text, importance::needed); }
};

/// Whole lines as systemd's journal takes them on a stream: each with its priority before it, `<3>` for errors, `<4>`
/// for warnings, `<5>` for hints, `<6>` for all else.
[[nodiscard]] std::string journal_lines(std::string_view text, bool is_error_output);

/// A file descriptor. What it does not take at once is kept until the next write or the end.
class fd_sink : public sink {
public:
    /// `fd` stays the caller's and must outlive the sink.
    explicit fd_sink(int fd) noexcept : fd_(fd) {}
    /// Writes what is left, and waits for the reader.
    ~fd_sink() override;
    fd_sink(const fd_sink&) = delete;
    fd_sink& operator=(const fd_sink&) = delete;

    using sink::write;
    void write(std::string_view text, importance weight) override;
    /// From now on lines get their priorities: the descriptor leads to systemd's journal.
    void for_journal(bool is_error_output) noexcept { journal_ = is_error_output ? journal::errors : journal::output; }
    /// Writes what is left, and waits for the reader.
    void finish();

private:
    void drain(int patience);

    enum class journal { no, output, errors };

    int fd_;
    journal journal_ = journal::no;
    bool gone_ = false;  ///< nobody reads any more
    std::string waiting_;
};

}  // namespace pgeist::report
