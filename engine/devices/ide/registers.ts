/** The registers that an ATA host sees (ATA/ATAPI-7 volume 2, § 5), their bits and the commands. */

/** Offsets in the command block. Error and status are what is read where features and command are written. */
export const Reg = { Data: 0, Error: 1, Count: 2, LbaLow: 3, LbaMid: 4, LbaHigh: 5, Device: 6, Status: 7 } as const;

export const BSY = 1 << 7;
export const DRDY = 1 << 6;
export const DSC = 1 << 4; // seek complete; SERV of ATAPI devices
export const DRQ = 1 << 3;
export const ERR = 1 << 0; // CHK of ATAPI devices

export const UNC = 1 << 6; // data cannot be read
export const IDNF = 1 << 4; // no such address
export const ABRT = 1 << 2;
/** Diagnostic code: this device passed, or device 1 is not there. */
export const PASSED = 1;

/** Device control. */
export const HOB = 1 << 7;
export const SRST = 1 << 2;
export const NIEN = 1 << 1;

/** Device register. */
export const LBA = 1 << 6;
export const DEV = 1 << 4;

/** Interrupt reason, in the sector count of a PACKET command (ATA/ATAPI-7 volume 2, § 6.46). */
export const COD = 1 << 0;
export const IO = 1 << 1;

export const Command = {
  Nop: 0x00,
  DataSetManagement: 0x06,
  DeviceReset: 0x08,
  Recalibrate: 0x10, // to 1Fh
  ReadSectors: 0x20,
  ReadSectorsNoRetry: 0x21,
  ReadSectorsExt: 0x24,
  ReadDmaExt: 0x25,
  ReadMultipleExt: 0x29,
  WriteSectors: 0x30,
  WriteSectorsNoRetry: 0x31,
  WriteSectorsExt: 0x34,
  WriteDmaExt: 0x35,
  WriteMultipleExt: 0x39,
  WriteDmaFuaExt: 0x3d,
  ReadVerify: 0x40,
  ReadVerifyNoRetry: 0x41,
  ReadVerifyExt: 0x42,
  Seek: 0x70, // to 7Fh
  ExecuteDiagnostic: 0x90,
  InitializeParameters: 0x91,
  Packet: 0xa0,
  IdentifyPacketDevice: 0xa1,
  ReadMultiple: 0xc4,
  WriteMultiple: 0xc5,
  SetMultiple: 0xc6,
  ReadDma: 0xc8,
  ReadDmaNoRetry: 0xc9,
  WriteDma: 0xca,
  WriteDmaNoRetry: 0xcb,
  WriteMultipleFuaExt: 0xce,
  StandbyImmediate: 0xe0,
  IdleImmediate: 0xe1,
  Standby: 0xe2,
  Idle: 0xe3,
  CheckPowerMode: 0xe5,
  Sleep: 0xe6,
  FlushCache: 0xe7,
  FlushCacheExt: 0xea,
  IdentifyDevice: 0xec,
  SetFeatures: 0xef,
} as const;

/** Subcommands of SET FEATURES, in the features register. */
export const Feature = {
  EnableWriteCache: 0x02,
  SetTransferMode: 0x03,
  DisableLookAhead: 0x55,
  KeepSettings: 0x66,
  DisableWriteCache: 0x82,
  EnableLookAhead: 0xaa,
  RevertSettings: 0xcc,
} as const;

export const SECTOR_BYTES = 512;
