import type { BackupConfiguration } from "../../config/backup-schema.ts";
import { renderUnit } from "../systemd.ts";

const source = "templates/backup/units.ts";

/** A oneshot service in the background of everything else: half a core, idle disk. Its failed state is meant. */
export function renderBackupService(description: string, program: string, cpus: number): string {
  return renderUnit(source, {
    Unit: { Description: description, After: "docker.service network-online.target", Wants: "network-online.target" },
    Service: {
      Type: "oneshot",
      ExecStart: program,
      TimeoutStartSec: "12h",
      // The programs clean up when they are told to stop.
      TimeoutStopSec: 60,
      CPUQuota: `${Math.round(cpus * 100)}%`,
      Nice: 19,
      // Of a short processor the suite's containers (weight 100) get most, and of a short memory this is killed first.
      CPUWeight: 10,
      OOMScoreAdjust: 500,
      IOSchedulingClass: "idle",
    },
  });
}

/** Every so many minutes, from one minute after it was started (the server's boot too). */
export function renderRepeatingTimer(unitName: string, minutes: number): string {
  return renderUnit(source, {
    Unit: { Description: `${unitName} every ${minutes} min` },
    Timer: {
      OnActiveSec: "1min",
      OnUnitActiveSec: `${minutes}min`,
      AccuracySec: "5s",
      Unit: `${unitName}.service`,
    },
    Install: { WantedBy: "timers.target" },
  });
}

/** Every day at this time. A run that was missed, because the server was off, is made after the boot. */
export function renderBackupTimer(
  unitName: string,
  time: string,
  { timeZone, randomDelayMinutes }: Pick<BackupConfiguration, "timeZone" | "randomDelayMinutes">,
): string {
  return renderUnit(source, {
    Unit: { Description: `${unitName} every day at ${time} (${timeZone})` },
    Timer: {
      // The server's own time zone may be any, and may be changed: the calendar names its own.
      OnCalendar: `*-*-* ${time}:00 ${timeZone}`,
      Persistent: "true",
      AccuracySec: "1min",
      ...(randomDelayMinutes === 0 ? {} : { RandomizedDelaySec: `${randomDelayMinutes}min` }),
      Unit: `${unitName}.service`,
    },
    Install: { WantedBy: "timers.target" },
  });
}
