// Where the moving packets are: a pure function of time over what the display lists said.
#pragma once

#include "tracer/diagram/display_list.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace natlens::gui {

/// Turns growing packet counts of arrows into packets that travel along them. Knows no clock: every question carries
/// the time, so tests never sleep. Lives on the GUI thread.
///
/// A track holds at most kMaxOnTrack packets; more in one change are one packet that stands for all (the counts in the
/// picture stay exact). An arrow that is deeper in its path starts later, so one request is seen to run through the
/// hosts although the lab carried it in a millisecond.
class PacketMotion final {
public:
    using Time = std::chrono::duration<double, std::milli>; ///< since any fixed moment

    static constexpr Time kTravel{650}; ///< tail to head
    static constexpr Time kGap{150};    ///< between two packets of one track
    static constexpr Time kBurst{450};  ///< the burst in the X of a drop
    static constexpr std::size_t kMaxOnTrack = 6;

    enum class Phase { travelling, bursting };
    /// One thing to draw now.
    struct Sprite {
        diagram::Point at; ///< in coordinates of the display list
        double angle = 0;  ///< direction of travel, radians
        Phase phase = Phase::travelling;
        double progress = 0; ///< 0..1 within the phase
        diagram::Token colour = diagram::Token::request;
        bool reply = false; ///< drawn with the other shape
        bool operator==(const Sprite &) const = default;
    };

    /// Takes over the arrows of `list` and launches a packet for each one that its tracks have counted since last time.
    void observe(const diagram::DisplayList &list, Time now);
    /// Everything that moves at `now`. Asking changes nothing.
    [[nodiscard]] std::vector<Sprite> at(Time now) const;
    /// Nothing moves at `now` or later.
    [[nodiscard]] bool idle(Time now) const { return now >= m_end; }
    /// Moment of the next launch or end after which nothing is left.
    [[nodiscard]] Time end() const { return m_end; }
    /// Forgets packets that have arrived before `now`.
    void prune(Time now);
    /// Everything has arrived at once.
    void settle();
    /// Forgets everything: another source.
    void reset();

private:
    struct Track {
        std::vector<diagram::Point> points;
        diagram::Token colour = diagram::Token::request;
        bool reply = false, drop = false, present = false;
        std::uint64_t seen = 0;
        std::deque<Time> starts;
    };
    [[nodiscard]] static Time duration(const Track &track) { return track.drop ? kTravel + kBurst : kTravel; }

    std::unordered_map<std::string, Track> m_tracks;
    Time m_end{0};
};

/// The point at `share` (0..1) of the polyline's length, and the direction there in radians.
[[nodiscard]] std::pair<diagram::Point, double> alongPolyline(const std::vector<diagram::Point> &points, double share);

} // namespace natlens::gui
