/** The testing kit: `kernet/testing`. */
export { lab, labWith, runLab, Lab, type LabBody, type LabFunction, type LabOptions } from './testing/lab.ts';
export { LabConn, type Answer, type CallOptions } from './testing/lab-conn.ts';
export { LabFailure } from './testing/lab-trace.ts';
export { type LabHostOptions } from './testing/lab-host.ts';
export { LabListener, type StateOptions } from './testing/lab-states.ts';
export { type SockExpectation } from './testing/lab-sock.ts';
export { table, tableWith, type Cell } from './testing/table.ts';
export { type TestFunction } from './testing/test-function.ts';
export { AppCalls, RunningApp, again, type App, type AppBody, type AppWait } from './testing/app.ts';
export { connectAndSend, connectRetrying, exchange, listenAndReadAll, readAll, Received, writeAll } from './testing/apps.ts';
export {
  runScenario, scenario, scenarioWith, type ScenarioBody, type ScenarioFunction, type ScenarioHooks, type ScenarioOptions,
} from './testing/scenario.ts';
export { ScenarioHost, ScenarioWorld } from './testing/scenario-world.ts';
export { boundedQueues, conservation, everyDropNamed, invariants, noLeaks, type Checker } from './testing/checkers.ts';
export { CLEAR_WEATHER, drawWeather, type Climate, type DrawnWeather } from './testing/weather.ts';
export { shrinkWeather, SHRINK_WEATHER_MAX_RUNS } from './testing/shrink-weather.ts';
export { DEADLY, randomFaults, shrinkFaults, SHRINK_MAX_RUNS, SURVIVABLE, type PlanOptions } from './testing/fault-plan.ts';
export { checkAllTcp, checkTcp } from './testing/invariants.ts';
export { patternBytes, patternFill, patternMismatch } from './testing/pattern.ts';
export {
  comparePacket, explainDifferences, parsePacket, parseSegment, SegmentSyntaxError, type CompareOptions, type Difference, type ParseOptions,
} from './testing/segment-notation.ts';
export { runPacketdrill, type PacketdrillOptions, type PacketdrillResult } from './testing/packetdrill/packetdrill.ts';
export { IP_MODES, type IpMode } from './testing/packetdrill/mode.ts';
export { formatResult, formatSummary } from './testing/packetdrill/report.ts';
export { type TraceLine } from './testing/packetdrill/run.ts';
